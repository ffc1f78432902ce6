/// The steps of start of day, in their order (start_of_day.cpp). Each says on the console what it found; what makes
/// going on impossible is a panic with one clear sentence.
#pragma once

#include <cstdint>

#include "boot/command_line.hpp"
#include "start_of_day.hpp"

// What the boot loader and the firmware tell.
void open_console(boot::Options const& options);
void read_boot_information(Machine& machine, std::uint32_t magic, std::uint32_t info);
void apply_options(Machine& machine); ///< and says hello
void read_memory_map(Machine& machine);
void read_firmware_tables(Machine& machine);

// Memory.
void claim_memory(Machine& machine);       ///< machine.memory: all RAM but what is in use
void build_translations(Machine& machine); ///< the address space that all CPUs share, and the boot CPU's part
void initialise_tables(Machine& machine);  ///< the frame table and the machine-to-phys table, mapped but raw

/// Domain 0's kernel: makes the boot loader's first module an ELF file, if it is not one: a bzImage as distributions
/// package it, or something compressed by itself. Afterwards the code that can do so is gone.
void unpack_kernel(Machine& machine);

// Clocks, interrupts, CPUs.
void calibrate_clock(Machine& machine);
void start_interrupts(Machine& machine);
void start_cpus(Machine& machine);

/// The frame below 1 MiB from which the other CPUs start; claim_memory() has set it aside.
base::Mfn trampoline_frame();
/// A zeroed frame; below 4 GiB, where the boot loader's translations and 32-bit code reach.
base::Mfn take_frame(Machine& machine);
base::Mfn take_low_frame(Machine& machine);
