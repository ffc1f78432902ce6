/// A vCPU's state, as the ABI writes it (vcpu_guest_context_t; docs/abi.md §7).
#pragma once

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

} // namespace guest
