/// The other half of the contract: what the machine calls, and hv/main defines.
#pragma once

#include <cstdint>

#include "arch/registers.hpp"

namespace arch {

/// The guest on this CPU trapped, made a hypercall or was interrupted. @p frame is the guest's state, on this CPU's
/// stack; it is what the CPU resumes from when this returns (perhaps another vCPU's by then). Interrupts are off.
/// `vector` tells why: an exception (0..31), kSyscallVector and its kin; interrupt vectors have been acknowledged and
/// given to on_interrupt() first.
extern "C" void on_guest_exit(Registers* frame);

/// A device or inter-processor interrupt arrived (from a guest or from idle). The local APIC is told afterwards (EOI).
void on_interrupt(std::uint32_t vector);

/// The one-shot timer of this CPU fired.
void on_timer();

/// IRET to the guest faulted, or a segment could not be loaded by it: @p frame is what could not be resumed.
/// Edit it (failsafe callback) and return to resume, or end the domain.
extern "C" void on_resume_fault(Registers* frame);

} // namespace arch
