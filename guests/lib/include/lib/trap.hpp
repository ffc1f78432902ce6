/// Exceptions: those that a test expects, and all others, which end the guest.
#pragma once

#include <cstdint>

#include "lib/hypercall.hpp"
#include "lib/vcpu.hpp"

namespace lib {

enum Vector : std::uint64_t {
    kDivideError = 0,
    kDebug = 1,
    kNmi = 2,
    kBreakpoint = 3,
    kOverflow = 4,
    kInvalidOpcode = 6,
    kDeviceNotAvailable = 7,
    kSegmentNotPresent = 11,
    kStackFault = 12,
    kGeneralProtection = 13,
    kPageFault = 14,
    kMathFault = 16,
    kAlignmentCheck = 17,
    kSimdFault = 19,
    // The callbacks, which are no vectors for the processor:
    kEvent = 256,
    kFailsafe = 257,
    kSystemCall = 258,
    kSystemCall32 = 259,
    kSysenter = 260,
    kNoTrap = 999,
};

/// Bits of a page fault's error code.
enum FaultBits : std::uint64_t {
    kFaultPresent = 1,
    kFaultWrite = 2,
    kFaultUser = 4,
    kFaultReserved = 8,
    kFaultFetch = 16
};

/// Bits of RFLAGS.
enum FlagBits : std::uint64_t {
    kTrapFlag = 1 << 8,
    kInterruptFlag = 1 << 9,
    kDirectionFlag = 1 << 10,
    kIoPrivilege = 3 << 12,
    kNestedTask = 1 << 14,
    kResumeFlag = 1 << 16,
    kVirtual8086 = 1 << 17,
    kAlignmentFlag = 1 << 18,
    kIdFlag = 1 << 21,
};

/// The registers at an exception, as start.S saves them. The upper half is what the hypervisor wrote on the stack.
struct Trap {
    std::uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    std::uint64_t vector, error_code;
    std::uint64_t rip, cs, rflags, rsp, ss;

    /// evtchn_upcall_mask as it was when the exception came: the hypervisor keeps it above the selector.
    [[nodiscard]] bool events_were_masked() const { return (cs >> 32 & 0xff) != 0; }
    [[nodiscard]] bool from_user_mode() const { return (cs & 3) == 3; }
};

/// A trap that was expected, with what was to be seen only at its beginning.
struct Caught : Trap {
    std::uint64_t frame;          ///< the stack pointer with which the hypervisor entered the handler
    std::uint64_t handler_rflags; ///< and the flags
    std::uint64_t handler_cs, handler_ss;
    std::uint64_t fault_address; ///< arch.cr2
    bool events_masked;          ///< evtchn_upcall_mask in the handler
};

/// What run_or_land (start.S) keeps, and land_on takes back.
struct CalleeSaved {
    std::uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

/// Where a caught trap goes on.
struct Landing {
    CalleeSaved registers;
    std::uint64_t rflags;
    Caught caught;
    Landing* outer;
};

namespace detail {
bool catch_trap(void (*code)(void*), void* argument, Caught& caught);
bool catch_user_trap(void (*code)(void*), void* argument, std::uint64_t rflags, Caught& caught);
} // namespace detail

/// Runs @p code; if it traps, it is left there, and the trap is the answer. Otherwise its vector is kNoTrap.
template <typename Code> Caught trap_of(Code const& code) {
    Caught caught;
    auto* const what = const_cast<void*>(static_cast<void const*>(&code));
    if (!detail::catch_trap([](void* which) { (*static_cast<Code const*>(which))(); }, what, caught))
        caught.vector = kNoTrap;
    return caught;
}

/// Runs @p code in user mode, on a stack of its own, until its first trap: its SYSCALL at its end, if none earlier.
/// Needs use_user_mode().
template <typename Code> Caught user_trap_of(Code const& code, std::uint64_t rflags = kInterruptFlag) {
    Caught caught;
    auto* const what = const_cast<void*>(static_cast<void const*>(&code));
    detail::catch_user_trap([](void* which) { (*static_cast<Code const*>(which))(); }, what, rflags, caught);
    return caught;
}

/// Lets the kernel's page tables serve user mode as well, and sets the stack on which its exceptions come in.
void use_user_mode();

/// Called for every exception that is not expected: true if it has dealt with it, and @p trap says how to go on.
/// Answers the handler before. Null: what is not expected ends the guest.
Handler set_handler(Handler handler);

/// The iret hypercall with just these registers; its frame takes the place of @p trap.
extern "C" [[noreturn]] void leave_trap(Trap* trap);

/// Code to send a vCPU to: one instruction, and UD2 behind it.
extern "C" {
void at_ud2();       ///< that alone
void at_nop();       ///< 1 byte
void at_syscall();   ///< 2 bytes
void at_load_ds();   ///< with RAX: 2 bytes
void at_xen_cpuid(); ///< 7 bytes
}
/// Registers to send it with: kernel mode, a stack that nobody uses now, events as they are; the rest is 0.
Trap kernel_at(void (*code)());
/// The same in user mode.
Trap user_at(void (*code)());
/// Sends it: the trap in which that ends.
Caught trap_from(Trap start);

/// The iret hypercall with a frame as it stands: rax, r11, rcx, flags, rip, cs, rflags, rsp, ss.
extern "C" [[noreturn]] void raw_iret(std::uint64_t const* frame);

/// Installs doors for all 256 vectors (3, 4 and 0x80 open to user mode) and the callbacks, on this vCPU.
void set_traps();
/// The table that set_traps() installs, ended by zeros.
trap_info_t const* trap_table();

/// An entry point of start.S by its number, for tests that register one themselves.
std::uint64_t door(std::uint64_t vector);

/// DS, ES, FS, GS as the last failsafe frame had them.
extern "C" std::uint64_t failsafe_selectors[4];

} // namespace lib
