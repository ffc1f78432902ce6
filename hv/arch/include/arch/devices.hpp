/// The contract, about devices: lines and messages that interrupt, and their registers in memory. Two
/// implementations, as of arch/cpu.hpp. The caller sees to it that only one CPU at a time is in any of these.
#pragma once

#include <cstdint>
#include <optional>

#include "base/frame.hpp"
#include "base/number.hpp"

namespace arch {

/// The vectors that are free for devices: first .. last without INT 0x80's, the same on all CPUs.
inline constexpr std::uint32_t kFirstDeviceVector = 0x30;
inline constexpr std::uint32_t kLastDeviceVector = 0xef;
inline constexpr std::uint32_t kNoDeviceVector = 0x80;

/// How a line of an I/O APIC is driven.
struct LineMode {
    bool level = false; ///< else by an edge
    bool low = false;   ///< else active high
    constexpr bool operator==(LineMode const&) const = default;
};

/// What a line or a device interrupts.
struct Destination {
    std::uint32_t vector = 0;
    base::CpuId cpu{};
};

/// Global system interrupts are lines of I/O APICs, numbered through (ACPI specification 6.4, §5.2.13).
bool has_line(std::uint32_t gsi);
/// One past the highest line that there is.
std::uint32_t line_count();
/// Sends @p gsi to @p to; it stays masked until unmask_line(). REQUIRES has_line(). A CPU that an I/O APIC cannot name
/// is replaced by CPU 0.
void route_line(std::uint32_t gsi, Destination const& to, LineMode mode);
void mask_line(std::uint32_t gsi);
void unmask_line(std::uint32_t gsi);

/// Register @p which of the I/O APIC whose registers are at @p at; nothing if there is none.
std::optional<std::uint32_t> read_io_apic(base::Maddr at, std::uint32_t which);

/// What a device writes to interrupt (SDM vol. 3A §11.11).
struct Message {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
};
Message message_for(Destination const& to);

/// How firmware calls a CPU.
struct FirmwareId {
    std::uint32_t apic_id = 0;
    std::uint32_t acpi_id = 0; ///< what _UID of the CPU's object says
};
FirmwareId firmware_id(base::CpuId cpu);

/// Writes a word of a device's registers; @p at is aligned, and no RAM. False if the hypervisor can map no more devices.
bool write_device(base::Maddr at, std::uint32_t value);

} // namespace arch
