#include "x86/power.hpp"

#include <string_view>

#include "arch/cpu.hpp"
#include "x86/control.hpp"
#include "x86/descriptors.hpp"
#include "x86/port.hpp"
#include "x86/serial.hpp"

namespace x86 {

namespace {

PowerRegisters registers;
PowerPolicy policy;

constexpr std::uint16_t kKeyboardCommand = 0x64;
constexpr std::uint8_t kPulseReset = 0xfe; ///< the reset line is bit 0
constexpr std::uint32_t kPatience = 1'000'000;

void wait_a_little() {
    for (std::uint32_t i = 0; i < kPatience; ++i)
        pause();
}

/// No descriptor to deliver the fault with, nor the fault of that fault: the CPU shuts down, which resets the machine.
[[noreturn]] void triple_fault() {
    load_idt({0, 0});
    for (;;)
        asm volatile("int3");
}

void end_test_machine(Verdict verdict) {
    drain_serial();
    if (policy.debug_exit)
        out8(*policy.debug_exit, static_cast<std::uint8_t>(verdict));
}

/// By whatever works.
[[noreturn]] void restart() {
    if (registers.reset_port != 0) {
        out8(registers.reset_port, registers.reset_value);
        wait_a_little();
    }
    out8(kKeyboardCommand, kPulseReset);
    wait_a_little();
    triple_fault();
}

void say(std::string_view text) { arch::console_write(text); }

} // namespace

void set_power_registers(PowerRegisters const& told) { registers = told; }
void set_power_policy(PowerPolicy const& wanted) { policy = wanted; }

void finish(Verdict verdict) {
    end_test_machine(verdict);
    if (policy.restart)
        restart();
    say("Halted (noreboot).\r\n");
    stop();
}

} // namespace x86

namespace arch {

using namespace x86;

void power_off(PowerOff const& how) {
    end_test_machine(Verdict::pass);
    if (registers.pm1a_control != 0) {
        out16(registers.pm1a_control, how.pm1a);
        if (registers.pm1b_control != 0)
            out16(registers.pm1b_control, how.pm1b);
        wait_a_little();
    }
    say("The machine can be switched off now.\r\n");
    stop();
}

void reboot() { finish(Verdict::reboot); }
void dom0_crashed() { finish(Verdict::fail); }

} // namespace arch
