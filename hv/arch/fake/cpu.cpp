/// Which CPU, what time.
#include "arch/cpu.hpp"
#include "arch_fake/machine.hpp"

using arch_fake::Event;
using arch_fake::Machine;

namespace arch {

std::uint32_t online_cpus() { return Machine::current().cpus(); }
std::uint64_t read_tsc() {
    Machine& machine = Machine::current();
    if (machine.tsc_step != 0) // then there is one thread only
        machine.tsc += machine.tsc_step;
    return machine.tsc;
}
std::uint64_t tsc_khz() { return Machine::current().tsc_khz; }
bool tsc_stable() { return Machine::current().tsc_stable; }
void relax() { __builtin_ia32_pause(); }

void kick(base::CpuId cpu) {
    Machine& machine = Machine::current();
    ++machine.cpu(cpu).kicks;
    machine.record({.kind = Event::Kind::kick, .cpu = cpu});
}

void wait_for_interrupt() {
    Machine& machine = Machine::current();
    machine.record({.kind = Event::Kind::wait});
    if (machine.on_wait)
        machine.on_wait();
}

void set_timer(std::uint64_t tsc) {
    Machine& machine = Machine::current();
    machine.this_cpu().timer = tsc;
    machine.record({.kind = Event::Kind::set_timer, .value = tsc});
}

std::uint64_t wall_clock_seconds() { return Machine::current().wall_clock_seconds; }

void power_off(PowerOff const&) { throw arch_fake::PoweredOff{}; }
void reboot() { throw arch_fake::Rebooted{}; }
void dom0_crashed() { throw arch_fake::Dom0Crashed{}; }

} // namespace arch
