/// The end: how to switch off and how to start again.
#pragma once

#include <cstdint>
#include <optional>

namespace x86 {

/// Where the FADT says that registers are; 0: there is none.
struct PowerRegisters {
    std::uint16_t pm1a_control = 0; ///< I/O port
    std::uint16_t pm1b_control = 0;
    std::uint16_t reset_port = 0; ///< I/O port of the reset register
    std::uint8_t reset_value = 0;
};

/// What a machine under test says with its last breath: QEMU's isa-debug-exit makes (value << 1 | 1) of it.
enum class Verdict : std::uint8_t { pass = 0x10, fail = 0x11, panic = 0x12, reboot = 0x13 };

/// What the operator wants of it.
struct PowerPolicy {
    std::optional<std::uint16_t> debug_exit; ///< the port, if this is a test machine
    bool restart = true;                     ///< false: halt instead (`noreboot`)
};

// Start of day.
void set_power_registers(PowerRegisters const& registers);
void set_power_policy(PowerPolicy const& policy);

/// Ends a test machine with @p verdict; restarts any other, or halts it.
[[noreturn]] void finish(Verdict verdict);

} // namespace x86
