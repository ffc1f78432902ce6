/// Start of day, as a table of contents. Each step is a function in one of
///
///     start_of_day_boot.cpp      what the boot loader and the firmware tell
///     start_of_day_memory.cpp    which RAM is whose, and the translations
///     kernel.cpp                 domain 0's kernel, unpacked
///     start_of_day_cpus.cpp      clocks, interrupts, CPUs
#include "start_of_day.hpp"

#include "arch/cpu.hpp"
#include "console/global.hpp"
#include "panic.hpp"
#include "start_of_day_steps.hpp"
#include "x86/cpu_start.hpp"

namespace {

constinit Machine machine;

extern "C" void (*const constructors_start[])();
extern "C" void (*const constructors_end[])();

void run_constructors() {
    for (auto const* one = constructors_start; one != constructors_end; ++one)
        (*one)();
}

[[noreturn]] void start_of_day_in_own_translations() {
    initialise_tables(machine);

    calibrate_clock(machine);
    unpack_kernel(machine); // while no other CPU waits for it
    // Beyond this point, there is no code but ours.
    start_interrupts(machine);
    start_cpus(machine);

    // Beyond this point, every CPU is online, and nothing more is learnt about the machine.
    start_dom0(machine);
}

} // namespace

/// Entered from boot.S: long mode, a small stack in the image, translations of the first 4 GiB.
extern "C" [[noreturn]] void start_of_day(std::uint32_t magic, std::uint32_t info) {
    run_constructors();
    x86::begin_boot_cpu();
    open_console({});

    read_boot_information(machine, magic, info);
    apply_options(machine);
    read_memory_map(machine);
    read_firmware_tables(machine);
    claim_memory(machine);
    build_translations(machine);

    // Beyond this point, the image is W^X, stacks have guards, and what the boot loader told lies in the direct map.
    x86::enter_boot_cpu(start_of_day_in_own_translations);
}
