/// The iret hypercall: how a PV kernel returns to user mode, and to itself (docs/abi.md §4.5).
#pragma once

#include "arch/registers.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace guest {

/// Replaces @p registers by the frame on the guest's kernel stack. An error means that the domain cannot go on: an
/// unreadable frame, or user mode without a user root.
[[nodiscard]] base::Status iret(domain::Vcpu& vcpu, arch::Registers& registers);

/// The same, if that can be done while the CPU counts as in the guest: without a walk. False: nothing has happened.
[[nodiscard, gnu::hot]] bool iret_in_guest(domain::Vcpu& vcpu, arch::Registers& registers);

} // namespace guest
