/// A vCPU's initial or restored state, as the ABI writes it (vcpu_guest_context_t; docs/abi.md §7).
#pragma once

#include "abi/xen.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace guest {

/// Gives @p vcpu, which is down and has no context yet, the state in @p context. Takes the references that its roots
/// and descriptor frames need; on an error nothing is left taken. May answer Error::preempted: call again (SP-9).
[[nodiscard]] base::Status set_context(domain::Vcpu& vcpu, vcpu_guest_context_t const& context);

} // namespace guest
