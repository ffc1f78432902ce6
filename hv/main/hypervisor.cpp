#include "hypervisor.hpp"

#include <memory>

#include "arch/cpu.hpp"
#include "arch/upcalls.hpp"
#include "console/global.hpp"
#include "domain/console.hpp"
#include "domain/lifecycle.hpp"
#include "domain/notice.hpp"
#include "domain/trace.hpp"
#include "panic.hpp"
#include "run/run.hpp"
#include "start_of_day_steps.hpp"
#include "x86/cpu_start.hpp"
#include "x86/vectors.hpp"

namespace {

constinit domain::System* the_one = nullptr;

std::uint64_t system_time() { return the_one->now(); }

/// What the core knows when all is lost: who ran here, and what was asked for last.
void say_what_the_core_knows() {
    if (the_one == nullptr)
        return;
    if (domain::Vcpu* const vcpu = the_one->this_cpu().current.load())
        domain::dump_vcpu(*vcpu, nullptr);
    domain::dump_trace(*the_one);
}

std::uint8_t bits_for(std::uint64_t highest) { return static_cast<std::uint8_t>(64 - std::countl_zero(highest | 1)); }

std::uint8_t physical_address_bits() {
    constexpr std::uint32_t kAddressSizes = 0x8000'0008;
    bool const told = arch::cpuid(0x8000'0000, 0).eax >= kAddressSizes;
    return told ? static_cast<std::uint8_t>(arch::cpuid(kAddressSizes, 0).eax) : 36;
}

void tell_memory_map(Machine const& machine, domain::System& system) {
    for (auto const& range : machine.memory_map.ranges()) {
        bool const fits = system.memory_map.push_back({.address = range.start.raw(),
                                                       .size = range.end - range.start,
                                                       .type = static_cast<std::uint32_t>(range.type)});
        if (!fits) {
            console::warning("the memory map has more than {} pieces: dom0 sees the first ones",
                             system.memory_map.size());
            break;
        }
    }
    auto const top = address_of(machine.memory_map.end_of_ram()).raw();
    system.machine_address_bits = bits_for(top - 1);
    system.physical_address_bits = physical_address_bits();
}

/// Frames that are not RAM and yet not dom0's: interrupt controllers.
void keep_devices(Machine const& machine, domain::System& system) {
    auto const& madt = machine.acpi.madt;
    bool fits = system.own_devices.push_back(frame_of(madt.local_apic));
    for (auto const& io_apic : madt.io_apics)
        fits = fits && system.own_devices.push_back(frame_of(io_apic.address));
    ASSERT(fits);
}

/// ISA interrupts that are not where, or not driven as, they would be by custom; and the console's own.
void tell_lines(Machine const& machine, domain::System& system) {
    using Mode = boot::InterruptMode;
    for (auto const& one : machine.acpi.madt.overrides)
        system.interrupts.set_default_mode(one.gsi, {.level = one.mode.trigger == Mode::Trigger::level,
                                                     .low = one.mode.polarity == Mode::Polarity::low});
    auto const& options = machine.command_line.options;
    if (options.serial_console)
        system.interrupts.keep(boot::isa_line(machine.acpi.madt, options.com1.irq).gsi);
}

void tell_ports(Machine const& machine, domain::System& system) {
    auto const& options = machine.command_line.options;
    if (options.serial_console)
        system.ports.facts.uart = options.com1.port;
    if (machine.acpi.fadt) {
        system.ports.facts.pm1a_control = static_cast<std::uint16_t>(machine.acpi.fadt->pm1a_control.address);
        system.ports.facts.pm1b_control = static_cast<std::uint16_t>(machine.acpi.fadt->pm1b_control.address);
    }
    system.ports.open_hardware();
}

} // namespace

domain::System& the_system() { return *the_one; }

void make_system(Machine& machine) {
    auto const memory = machine.memory.allocate(base::frames_for(sizeof(domain::System)));
    if (!memory.ok())
        panic("too little memory for the hypervisor's own tables");
    auto* const place = reinterpret_cast<domain::System*>(arch::direct_map(memory.value()));
    the_one = std::construct_at(place, machine.frames);
    auto& system = *the_one;

    system.clock = timing::SystemClock{arch::read_tsc(), arch::tsc_khz()};
    system.shadow_limit = machine.command_line.options.shadow_limit >> base::kPageShift;
    console::the_console.set_clock(system_time);
    system.wall_time_at_boot.with(
        [](timing::WallTime& time) { time = {.seconds = arch::wall_clock_seconds(), .nanoseconds = 0}; });
    system.command_line = machine.info.command_line;
    tell_memory_map(machine, system);
    keep_devices(machine, system);
    tell_lines(machine, system);
    tell_ports(machine, system);
    machine.memory.for_each_left(
        [&](mm::FrameRange const& range) { system.allocator.add_memory(range.first, range.count); });
    set_panic_hook(say_what_the_core_knows);
}

void start_dom0(Machine& machine) {
    make_system(machine);
    make_dom0(machine);
    release_cpus();
    run_cpu();
}

void run_cpu() {
    auto& system = the_system();
    system.flush_clock.clock().add_cpu(arch::this_cpu());
    run::enter_next(system, *x86::guest_frame());
    x86::resume_guest();
}

// --- what the machine calls (arch/upcalls.hpp) -----------------------------------------------------------------------

namespace arch {

extern "C" [[gnu::hot]] void on_guest_exit(Registers* frame) { run::handle_exit(*the_one, *frame); }

extern "C" void on_resume_fault(Registers* frame) { run::handle_failed_resume(*the_one, *frame); }

void on_interrupt(std::uint32_t vector) {
    if (the_one == nullptr)
        return;
    if (auto const notice = the_one->interrupts.on_interrupt(vector))
        domain::deliver(*notice);
    else if (vector == x86::kSerial)
        domain::poll_console(*the_one);
}

// The timer's work is done when the CPU leaves the hypervisor (run::enter_next).
void on_timer() {}

} // namespace arch
