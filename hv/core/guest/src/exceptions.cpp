#include "guest/exceptions.hpp"

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "domain/descriptors.hpp"
#include "domain/domain.hpp"
#include "domain/guest_memory.hpp"
#include "domain/lifecycle.hpp"
#include "domain/running.hpp"
#include "emulate/privileged.hpp"
#include "emulate/software_interrupt.hpp"
#include "guest/bounce.hpp"
#include "guest/environment.hpp"
#include "guest/flags.hpp"
#include "guest/page_fault.hpp"

namespace guest {
namespace {

using base::Status;
using base::Vaddr;
using emulate::Outcome;
using namespace std::string_view_literals;

// Vectors (SDM vol. 3A §6.3.1).
constexpr std::uint32_t kExceptions = 32;
constexpr std::uint8_t kLegacySystemCall = 0x80;
constexpr std::uint8_t kDebug = 1;
constexpr std::uint8_t kInvalidOpcode = 6;
constexpr std::uint8_t kDeviceNotAvailable = 7;
constexpr std::uint8_t kGeneralProtection = 13;

Status bounce_as_raised(domain::Vcpu& vcpu, arch::Registers& registers) {
    auto const vector = static_cast<std::uint8_t>(registers.vector);
    std::optional<std::uint32_t> error_code;
    if (has_error_code(vector))
        error_code = registers.error_code;
    return bounce_exception(vcpu, registers, vector, error_code);
}

Status conclude(domain::Vcpu& vcpu, arch::Registers& registers, Outcome const& outcome) {
    switch (outcome.kind) {
    case Outcome::Kind::done: return {};
    case Outcome::Kind::single_step: return bounce_single_step(vcpu, registers);
    case Outcome::Kind::block: domain::block(vcpu); return {};
    case Outcome::Kind::fault:
        if (outcome.raised.vector == kPageFault)
            return bounce_page_fault(vcpu, registers, outcome.raised.address, outcome.raised.error_code);
        return bounce_exception(vcpu, registers, outcome.raised.vector,
                                has_error_code(outcome.raised.vector) ? std::optional{outcome.raised.error_code}
                                                                      : std::nullopt);
    case Outcome::Kind::not_handled: break;
    }
    return bounce_as_raised(vcpu, registers);
}

Status emulate_instruction(domain::Vcpu& vcpu, arch::Registers& registers) {
    std::array<std::byte, 15> code;
    auto const length = domain::fetch_instruction(vcpu, Vaddr{registers.rip}, code);
    VcpuEnvironment environment{vcpu};
    auto const mode = domain::code_mode(vcpu, static_cast<std::uint16_t>(registers.cs));
    return conclude(vcpu, registers,
                    emulate::emulate_privileged(environment, registers, std::span{code}.first(length), mode));
}

/// #GP: an `INT n` that our IDT does not let ring 3 use names its gate in the error code; with error code 0 it may be
/// a privileged instruction.
Status general_protection(domain::Vcpu& vcpu, arch::Registers& registers) {
    if (registers.error_code == 0)
        return emulate_instruction(vcpu, registers);
    std::array<std::byte, 15> code;
    auto const length = domain::fetch_instruction(vcpu, Vaddr{registers.rip}, code);
    auto const mode = domain::code_mode(vcpu, static_cast<std::uint16_t>(registers.cs));
    auto const interrupt = emulate::software_interrupt(registers.error_code, std::span{code}.first(length), mode);
    if (!interrupt || !emulate::may_use_gate(vcpu.traps[interrupt->vector].privilege, vcpu.in_kernel()))
        return bounce_as_raised(vcpu, registers);
    registers.rip += interrupt->length;
    return bounce_exception(vcpu, registers, interrupt->vector);
}

Status debug_exception(domain::Vcpu& vcpu, arch::Registers& registers) {
    // The guest reads DR6 by hypercall: the bits of this hit, and what it has not cleared yet.
    vcpu.debug.dr6 |= arch::read_dr6() & 0xe00f;
    return bounce_as_raised(vcpu, registers);
}

Status device_not_available(domain::Vcpu& vcpu, arch::Registers& registers) {
    // As on Xen, TS is clear when the guest sees the exception: its handler need not clear it.
    vcpu.task_switched = false;
    arch::set_task_switched(false);
    return bounce_as_raised(vcpu, registers);
}

/// INT 0x80, which our IDT lets ring 3 use: the guest's gate decides whether it may.
Status legacy_system_call(domain::Vcpu& vcpu, arch::Registers& registers) {
    constexpr std::uint64_t kLength = 2; // of the instruction
    constexpr std::uint32_t kFromIdt = 2;
    if (emulate::may_use_gate(vcpu.traps[kLegacySystemCall].privilege, vcpu.in_kernel()))
        return bounce_exception(vcpu, registers, kLegacySystemCall);
    registers.rip -= kLength;
    return bounce_exception(vcpu, registers, kGeneralProtection, kLegacySystemCall * 8 + kFromIdt);
}

Status dispatch(domain::Vcpu& vcpu, arch::Registers& registers) {
    switch (registers.vector) {
    case kLegacySystemCall: return legacy_system_call(vcpu, registers);
    case kDebug: return debug_exception(vcpu, registers);
    case kInvalidOpcode: return emulate_instruction(vcpu, registers);
    case kDeviceNotAvailable: return device_not_available(vcpu, registers);
    case kGeneralProtection: return general_protection(vcpu, registers);
    case kPageFault: return handle_page_fault(vcpu, registers, arch::fault_address());
    default: return bounce_as_raised(vcpu, registers);
    }
}

} // namespace

bool is_exception(std::uint32_t vector) { return vector < kExceptions || vector == kLegacySystemCall; }

void handle_exception(domain::Vcpu& vcpu, arch::Registers& registers) {
    Status const status = dispatch(vcpu, registers);
    if (status)
        return;
    bool const no_shadow = status.error() == base::Error::no_memory;
    domain::crash(vcpu.domain,
                  no_shadow ? "a page fault cannot be served: there is no page for a shadow"sv
                            : "an exception cannot be delivered: no handler, or no kernel stack to write to"sv,
                  registers);
}

void say_where_syscall_was(arch::Registers& registers) {
    registers.rip = registers.rcx;
    registers.rflags = registers.r11;
    registers.cs = FLAT_KERNEL_CS;
    registers.ss = FLAT_KERNEL_SS;
}

void handle_system_call(domain::Vcpu& vcpu, arch::Registers& registers) {
    domain::Callback const* callback = &vcpu.syscall_callback;
    switch (registers.vector) {
    case arch::kSyscallVector: say_where_syscall_was(registers); break;
    case arch::kSyscall32Vector:
        callback = &vcpu.syscall32_callback;
        registers.rip = registers.rcx;
        registers.rflags = registers.r11;
        registers.cs = FLAT_USER_CS32;
        registers.ss = FLAT_KERNEL_SS;
        break;
    case arch::kSysenterVector:
        callback = &vcpu.sysenter_callback;
        registers.rip = 0;
        registers.rsp = 0;
        registers.rflags &= ~(kFlagTrap | kFlagNestedTask);
        break;
    default: ASSERT(!"not a system call");
    }
    Status const status = callback->address != 0
                              ? bounce_to_kernel(vcpu, registers, {callback->address, callback->mask_events, {}})
                              : bounce_exception(vcpu, registers, kGeneralProtection, 0);
    if (!status)
        domain::crash(vcpu.domain, "a system call cannot be delivered", registers);
}

bool system_call_in_guest(domain::Vcpu& vcpu, arch::Registers& registers) {
    auto const& callback = vcpu.syscall_callback;
    say_where_syscall_was(registers); // saying it twice changes nothing
    return bounce_in_guest(vcpu, registers, {callback.address, callback.mask_events, {}});
}

void handle_resume_fault(domain::Vcpu& vcpu, arch::Registers& registers) {
    // As if the guest's own IRET had faulted where it was to go: with the vector and error code of the refusal. A page
    // fault is the LDT's, which the CPU reads for the new segments.
    Status const status = registers.vector == kPageFault ? handle_page_fault(vcpu, registers, arch::fault_address())
                                                         : bounce_as_raised(vcpu, registers);
    if (!status)
        domain::crash(vcpu.domain, "the CPU refuses to resume the guest, and it has no handler for that", registers);
}

} // namespace guest
