/// The two translation roots of a vCPU: MMUEXT_NEW_BASEPTR and NEW_USER_BASEPTR (docs/abi.md §2.2, SP-13).
#pragma once

#include "arch/cpu.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace domain {

/// Makes the L4 @p gfn the @p root of @p vcpu; an invalid one drops the root. May answer
/// Error::preempted: nothing is lost, call again (SP-9). The change is live if the vCPU runs on this CPU.
[[nodiscard]] base::Status set_root(Vcpu& vcpu, arch::Root root, base::Gfn gfn);

} // namespace domain
