/// Traps and interrupts, as they come from entry.S.
#pragma once

#include <cstdint>

#include "arch/registers.hpp"

namespace x86 {

/// Fills the interrupt descriptor table that all CPUs share. Before the pattern is loaded: it is sealed data.
void build_interrupt_table();
/// Makes this CPU use it.
void load_interrupt_table();

/// Makes CLAC at each entry real where the CPU has it. Before the image becomes read-only.
void patch_entry_paths();

/// Defined by hv/main: a trap that the hypervisor itself caused, or an NMI, machine check or double fault that nobody
/// handles. @p frame is what was interrupted.
[[noreturn]] void on_hypervisor_fault(arch::Registers const& frame);

/// Sends an NMI to all other CPUs, which stop for good.
void stop_other_cpus();

} // namespace x86
