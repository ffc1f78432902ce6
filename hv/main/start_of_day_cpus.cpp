/// Clocks, interrupts, CPUs.
#include <atomic>

#include "arch/cpu.hpp"
#include "console/global.hpp"
#include "start_of_day_steps.hpp"
#include "x86/clock.hpp"
#include "x86/control.hpp"
#include "x86/cpu_start.hpp"
#include "x86/features.hpp"
#include "x86/io_apic.hpp"
#include "x86/legacy.hpp"
#include "x86/local_apic.hpp"
#include "x86/serial.hpp"
#include "x86/vectors.hpp"

namespace {

std::atomic<bool> released{false};

/// The pin that the MADT says is wired as NMI, for all CPUs as for one.
x86::NmiPin nmi_pin(boot::Madt const& madt) {
    if (madt.local_nmis.empty())
        return x86::NmiPin::none;
    return madt.local_nmis[0].lint == 0 ? x86::NmiPin::lint0 : x86::NmiPin::lint1;
}

void route_console(boot::Madt const& madt, boot::SerialPort const& port) {
    auto const line = boot::isa_line(madt, port.irq);
    bool const low = line.mode.polarity == boot::InterruptMode::Polarity::low;
    bool const level = line.mode.trigger == boot::InterruptMode::Trigger::level;
    x86::Route const route{.vector = x86::kSerial,
                           .apic_id = x86::apic_id_of(base::CpuId{0}),
                           .polarity = low ? x86::Polarity::low : x86::Polarity::high,
                           .trigger = level ? x86::Trigger::level : x86::Trigger::edge};
    if (x86::route(line.gsi, route))
        x86::enable_serial_interrupt();
    else
        console::warning("no I/O APIC has the console's interrupt {}: nothing can be typed", line.gsi);
}

[[noreturn]] void wait_for_release() {
    while (!released.load(std::memory_order_acquire))
        x86::pause();
    run_cpu();
}

} // namespace

void calibrate_clock(Machine& machine) {
    auto const& hpet = machine.acpi.hpet;
    x86::calibrate_tsc(hpet ? std::optional{hpet->address} : std::nullopt);
    console::info("TSC: {} kHz by {}{}", arch::tsc_khz(), hpet ? "HPET" : "PIT", arch::tsc_stable() ? ", stable" : "");
}

void start_interrupts(Machine& machine) {
    auto const& madt = machine.acpi.madt;
    x86::silence_pics();
    x86::find_local_apic(madt.local_apic, nmi_pin(madt));
    x86::start_local_apic();
    x86::calibrate_timer();
    for (auto const& one : madt.io_apics)
        if (!x86::add_io_apic(one.address, one.first_gsi))
            console::warning("I/O APIC {} at {} cannot be used", one.id, one.address);
    if (machine.command_line.options.serial_console)
        route_console(madt, machine.command_line.options.com1);
}

void start_cpus(Machine& machine) {
    auto const any_frame = [&] { return take_frame(machine); };
    auto const low_frame = [&] { return take_low_frame(machine); };
    auto const boot_cpu = x86::apic_id_of(base::CpuId{0});
    std::uint32_t count = 1;
    for (auto const& cpu : machine.acpi.madt.cpus) {
        if (cpu.apic_id == boot_cpu) {
            x86::set_acpi_id(base::CpuId{0}, cpu.acpi_id);
        } else if (count < machine.command_line.options.max_cpus && count < base::kMaxCpus) {
            x86::set_acpi_id(base::CpuId{count}, cpu.acpi_id);
            x86::prepare_cpu(base::CpuId{count++}, cpu.apic_id, any_frame);
        }
    }
    auto const online = x86::start_other_cpus(count, trampoline_frame(), low_frame, wait_for_release);
    if (online < count)
        console::error("CPU {} (APIC id {:#x}) does not start", online, x86::apic_id_of(base::CpuId{online}));
    console::info("{} CPUs online", online);
    if (x86::walls_are_soft())
        console::warning(
            "this CPU reads ahead of its rights (no RDCL_NO): do not run guests here that you do not trust");
}

void release_cpus() { released.store(true, std::memory_order_release); }
