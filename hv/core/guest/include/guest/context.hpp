/// A vCPU's state, as the ABI writes it (vcpu_guest_context_t; docs/abi.md §7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/xen.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace guest {

/// Gives @p vcpu, which is down and has no context yet, the state in @p context. Takes the references that its roots
/// and descriptor frames need; on an error nothing is left taken. May answer Error::preempted: call again (SP-9).
[[nodiscard]] base::Status set_context(domain::Vcpu& vcpu, vcpu_guest_context_t const& context);

/// Takes from @p vcpu, which is down and off its CPU, the context that it has, if any. As set_context().
[[nodiscard]] base::Status reset_context(domain::Vcpu& vcpu);

/// The state of @p vcpu, which is off its CPU and has a context, such that set_context() makes the same of it; of its
/// extended state the part that is as FXSAVE writes it.
void get_context(domain::Vcpu& vcpu, vcpu_guest_context_t& context);

/// Gives @p vcpu, which is off its CPU, this XCR0, and the extended state in @p area: an XSAVE area in the standard format, or its
/// first 512 bytes; empty: as it is. `invalid` for what this CPU has not. (What a CPU refuses to load becomes the
/// initial state, when it is loaded.)
[[nodiscard]] base::Status set_extended_state(domain::Vcpu& vcpu, std::uint64_t xcr0, std::span<std::byte const> area);

} // namespace guest
