/// Start of day: from the boot loader's jump to a machine that is ours; and what it hands over.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "boot/acpi.hpp"
#include "boot/command_line.hpp"
#include "boot/e820.hpp"
#include "boot/multiboot2.hpp"
#include "mm/early_allocator.hpp"
#include "mm/frame_info.hpp"

/// What start of day found and made. There is one, and it stays.
struct Machine {
    boot::BootInfo info;               ///< strings and modules lie where the boot loader put them, in reserved frames
    boot::FrameRange boot_information; ///< where they and it are
    boot::CommandLine command_line;
    boot::E820Map memory_map; ///< RAM less what Tern keeps for good
    boot::Acpi acpi;
    mm::EarlyAllocator memory;       ///< RAM that nobody has yet
    base::Bytes kernel;              ///< domain 0's, an ELF file: a module, or what was in it
    mm::FrameRange unpacked_kernel;  ///< what it lies in, if that is no module
    std::span<mm::FrameInfo> frames; ///< a value-initialised info for each frame up to the end of RAM
};

/// The boot CPU goes on here, on its own stack, when all CPUs are online, their interrupts off.
[[noreturn]] void start_dom0(Machine& machine);

/// The other CPUs go on here, each on its own stack, once start_dom0() has called release_cpus().
[[noreturn]] void run_cpu();
void release_cpus();
