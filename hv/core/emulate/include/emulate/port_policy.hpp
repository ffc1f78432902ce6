/// I/O ports: whose they are (docs/abi.md §4.6). One table, in port_policy.cpp.
///
/// dom0 drives the machine's devices itself, but for the few that are the hypervisor's. Any other domain finds no
/// device at any port: reads give all ones and writes are dropped, never a fault.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/frame.hpp"
#include "emulate/domain_kind.hpp"

namespace emulate {

/// Who answers at a port.
enum class PortUse : std::uint8_t {
    hardware,    ///< the device itself
    absent,      ///< nobody: all ones, writes dropped
    timer,       ///< the interval timer and its gate: the hypervisor's reference at start of day, dom0's afterwards
    rtc,         ///< the real-time clock: index and data are one transaction, taken under the hypervisor's lock
    pci_address, ///< a four-byte access to 0xcf8: the domain's own latch
    pci_data,    ///< 0xcfc .. 0xcff: configuration space at the latch's address
    power,       ///< ACPI PM1 control: a write may end the machine
    reset,       ///< 0xcf9: a write may restart it
};

/// What start of day found out about this machine's ports. Zero: there is none.
struct PortFacts {
    std::uint16_t uart = 0; ///< the serial line that is the hypervisor's console (8 ports)
    std::uint16_t pm1a_control = 0;
    std::uint16_t pm1b_control = 0;
};

struct PortRow {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    PortUse use{};
    char const* reason = "";
};
[[nodiscard]] std::span<PortRow const> port_table();

/// Who answers an access of @p bytes (1, 2 or 4) from @p port on. An access that touches a port of the hypervisor's
/// is wholly the hypervisor's.
[[nodiscard]] PortUse port_use(DomainKind kind, PortFacts const& facts, std::uint16_t port, unsigned bytes);

/// What a read finds where nobody answers.
constexpr std::uint32_t absent_value(unsigned bytes) { return bytes >= 4 ? ~0U : (1U << (8 * bytes)) - 1; }

/// A task's I/O permission bitmap in guest memory (physdev_op set_iobitmap): one bit a port, set: refused.
/// @p read_byte(Vaddr) -> std::optional<std::uint8_t> reads it through the kernel's root; what cannot be read refuses.
template <typename ReadByte>
[[nodiscard]] bool io_bitmap_allows(base::Vaddr bitmap, std::uint32_t ports, std::uint16_t port, unsigned bytes,
                                    ReadByte&& read_byte) {
    for (std::uint32_t one = port; one < std::uint32_t{port} + bytes; ++one) {
        if (one >= ports)
            return false;
        std::optional<std::uint8_t> const refused = read_byte(bitmap + one / 8);
        if (!refused || (*refused >> (one % 8) & 1) != 0)
            return false;
    }
    return true;
}

/// The address that a domain wrote to 0xcf8 (PCI configuration mechanism #1).
struct PciAddress {
    std::uint32_t latch = 0;

    [[nodiscard]] constexpr bool enabled() const { return latch >> 31 != 0; }
    [[nodiscard]] constexpr unsigned bus() const { return latch >> 16 & 0xff; }
    [[nodiscard]] constexpr unsigned device() const { return latch >> 11 & 0x1f; }
    [[nodiscard]] constexpr unsigned function() const { return latch >> 8 & 7; }
    /// The byte of configuration space that @p data_port (0xcfc .. 0xcff) names; bits 27..24 extend it (AMD).
    [[nodiscard]] constexpr unsigned offset(std::uint16_t data_port) const {
        return (latch & 0xfc) | (latch >> 16 & 0xf00) | (data_port & 3U);
    }
};

} // namespace emulate
