/// Exceptions: those that a test expects, and all others, which end it.
#pragma once

#include <cstdint>

#include "lib/hypercall.hpp"

namespace lib {

/// The registers at an exception, as start.S saves them.
struct Trap {
    std::uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    std::uint64_t vector, error_code;
    std::uint64_t rip, cs, rflags, rsp, ss;

    /// evtchn_upcall_mask as it was when the exception came.
    [[nodiscard]] bool events_were_masked() const { return (cs >> 32 & 0xff) != 0; }
};

/// Called for every exception: true if it has dealt with it, and @p trap says how to go on.
using Handler = bool (*)(Trap& trap);
/// The handler from now on; answers the one before. Null: every exception is unexpected.
Handler set_handler(Handler handler);

/// The address of the last page fault, as the hypervisor told it.
std::uint64_t fault_address();

/// Sets the trap table for all 256 vectors; the privilege of 3, 4 and 0x80 is 3.
void set_traps();

} // namespace lib
