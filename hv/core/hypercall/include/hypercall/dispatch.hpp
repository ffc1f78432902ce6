/// The door: a guest's SYSCALL from kernel mode becomes a call of one handler.
#pragma once

#include "arch/registers.hpp"
#include "domain/vcpu.hpp"

namespace hypercall {

/// Carries out the hypercall whose number is in RAX, and leaves in @p registers what the guest goes on with: the
/// result in RAX, all other registers as they were (docs/abi.md §3.0), or, for a call that is to be continued, the
/// SYSCALL instruction again. A call may have blocked, shut down or crashed the domain: the caller asks the scheduler.
[[gnu::hot]] void dispatch(domain::Vcpu& vcpu, arch::Registers& registers);

/// Before that, while the CPU still counts as in the guest: reads what the call will ask for first, if that is quick.
[[gnu::hot]] void read_ahead(domain::Vcpu& vcpu, arch::Registers const& registers);

} // namespace hypercall
