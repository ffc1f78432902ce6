/// A guest's exceptions: which are the hypervisor's work and which are bounced to the guest's kernel (docs/abi.md §4.1).
#pragma once

#include "arch/registers.hpp"
#include "domain/vcpu.hpp"

namespace guest {

/// True for what the guest itself raised: exceptions, and the one INT n that comes through a gate of its own.
[[nodiscard]] bool is_exception(std::uint32_t vector);

/// @p registers.vector is an exception that @p vcpu raised on this CPU. Crashes the domain if it cannot go on.
void handle_exception(domain::Vcpu& vcpu, arch::Registers& registers);

/// Has @p registers say where a SYSCALL from 64-bit code was, which the CPU left in RCX and R11; it goes on in the flat
/// segments, wherever it came from.
void say_where_syscall_was(arch::Registers& registers);

/// SYSCALL from user mode, SYSCALL from compatibility mode, or SYSENTER.
void handle_system_call(domain::Vcpu& vcpu, arch::Registers& registers);

/// SYSCALL from user mode, if that can be done while the CPU counts as in the guest: without a walk. False: nothing has
/// happened.
[[nodiscard, gnu::hot]] bool system_call_in_guest(domain::Vcpu& vcpu, arch::Registers& registers);

/// The CPU could not resume @p registers; their vector and error code say why.
void handle_resume_fault(domain::Vcpu& vcpu, arch::Registers& registers);

} // namespace guest
