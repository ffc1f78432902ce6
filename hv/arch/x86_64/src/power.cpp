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
std::optional<std::uint16_t> test_port;

constexpr std::uint16_t kKeyboardCommand = 0x64;
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

} // namespace

void set_power_registers(PowerRegisters const& told, std::optional<std::uint16_t> debug_exit) {
    registers = told;
    test_port = debug_exit;
}

void end_test_machine(Verdict verdict) {
    drain_serial();
    if (test_port)
        out8(*test_port, static_cast<std::uint8_t>(verdict));
}

void reset_machine() {
    if (registers.reset_port != 0) {
        out8(registers.reset_port, registers.reset_value);
        wait_a_little();
    }
    if (registers.keyboard_controller) {
        out8(kKeyboardCommand, 0xfe); // pulse the reset line
        wait_a_little();
    }
    triple_fault();
}

} // namespace x86

namespace arch {

using namespace x86;

/// S5's SLP_TYP is in AML, which is dom0's to read. 0 is what QEMU's chipsets want, and what many others ignore; dom0
/// switches real machines off by itself (docs/decisions).
void power_off() {
    constexpr std::uint16_t kSleepEnable = 1U << 13;
    end_test_machine(Verdict::pass);
    if (registers.pm1a_control != 0) {
        out16(registers.pm1a_control, kSleepEnable);
        if (registers.pm1b_control != 0)
            out16(registers.pm1b_control, kSleepEnable);
        wait_a_little();
    }
    constexpr std::string_view kStillOn = "The machine can be switched off now.\r\n";
    console_write(kStillOn);
    stop();
}

void reboot() {
    end_test_machine(Verdict::reboot);
    reset_machine();
}

} // namespace arch
