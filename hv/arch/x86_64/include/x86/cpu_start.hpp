/// From one CPU on a borrowed stack to every CPU in its own area.
#pragma once

#include <cstdint>
#include <span>

#include "arch/registers.hpp"
#include "base/frame.hpp"
#include "base/number.hpp"
#include "x86/page_tables.hpp"

namespace x86 {

/// The very first thing: makes arch::this_cpu() and locks work, and faults be told. The boot CPU is CPU 0.
void begin_boot_cpu();

/// Makes the area and the roots of @p cpu, which does not run yet. The pattern must be sealed.
void prepare_cpu(base::CpuId cpu, std::uint32_t apic_id, TableSource take_frame);

/// The boot CPU leaves the boot loader's world: its own root, descriptors and stack, on which it calls @p next.
[[noreturn]] void enter_boot_cpu(void (*next)());

/// Starts the CPUs 1 .. @p count - 1, which have been prepared, one after the other. Each calls @p next on its own stack
/// once it is initialised. @p trampoline is a frame below 1 MiB, @p low_frame gives frames below 4 GiB, for tables.
/// Answers how many CPUs are online now; one that did not answer within a second is the last that is tried.
std::uint32_t start_other_cpus(std::uint32_t count, base::Mfn trampoline, TableSource low_frame, void (*next)());

std::uint32_t apic_id_of(base::CpuId cpu);
/// For arch::firmware_id(). Start of day.
void set_acpi_id(base::CpuId cpu, std::uint32_t acpi_id);

/// The frame of the guest on this CPU's stack: fill it before the first resume_guest(). What runs on this CPU's stack
/// never overwrites it.
arch::Registers* guest_frame();

/// Leaves the hypervisor for what guest_frame() says; forgets the stack.
extern "C" [[noreturn]] void resume_guest();

} // namespace x86
