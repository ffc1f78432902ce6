/// Message-signalled interrupts (PCI Local Bus Specification 3.0, §6.8): where in a device its messages are written, and
/// writing them. The switch that turns messages on is left to dom0's driver.
///
/// Templates over the configuration space, so that tests can make one up: config.read(function, offset, bytes) and
/// config.write(function, offset, bytes, value).
#pragma once

#include <cstdint>

#include "arch/devices.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "irq/pci.hpp"

namespace irq {

/// A place for one message.
struct MessageSlot {
    PciFunction function;
    std::uint8_t capability = 0; ///< MSI: its offset in configuration space; 0: MSI-X
    bool wide = false;           ///< MSI: with an upper half of the address
    bool maskable = false;       ///< MSI: with mask bits
    base::Maddr entry;           ///< MSI-X: of the table's entry
};

namespace detail {

inline constexpr unsigned kStatus = 0x06, kBars = 0x10, kCapabilities = 0x34;
inline constexpr unsigned kHasCapabilities = 1 << 4;
inline constexpr unsigned kMsi = 0x05, kMsiX = 0x11;

/// The offset of capability @p id, 0 if there is none. A list that runs in a circle ends.
template <typename Config> unsigned find_capability(Config& config, PciFunction function, unsigned id) {
    if (config.read(function, 0, 2) == 0xffff || (config.read(function, kStatus, 2) & kHasCapabilities) == 0)
        return 0;
    unsigned at = config.read(function, kCapabilities, 1) & 0xfc;
    for (unsigned seen = 0; at >= 0x40 && seen < 48; ++seen) {
        if (config.read(function, at, 1) == id)
            return at;
        at = config.read(function, at + 1, 1) & 0xfc;
    }
    return 0;
}

/// Where memory BAR @p which lies; `invalid` if it is none.
template <typename Config> base::Result<base::Maddr> memory_bar(Config& config, PciFunction function, unsigned which) {
    auto const low = config.read(function, kBars + 4 * which, 4);
    bool const io = (low & 1) != 0;
    bool const wide = (low >> 1 & 3) == 2;
    if (io || which > 5 || (wide && which == 5))
        return base::Err{base::Error::invalid};
    std::uint64_t const high = wide ? config.read(function, kBars + 4 * (which + 1), 4) : 0;
    return base::Maddr{high << 32 | (low & ~std::uint32_t{0xf})};
}

} // namespace detail

/// `not_found`: no such device, or it cannot do it.
template <typename Config> base::Result<MessageSlot> find_msi(Config& config, PciFunction function) {
    auto const at = detail::find_capability(config, function, detail::kMsi);
    if (at == 0)
        return base::Err{base::Error::not_found};
    auto const control = config.read(function, at + 2, 2);
    return MessageSlot{.function = function,
                       .capability = static_cast<std::uint8_t>(at),
                       .wide = (control >> 7 & 1) != 0,
                       .maskable = (control >> 8 & 1) != 0,
                       .entry = {}};
}

/// `not_found` as above; `invalid`: no entry @p index, or its table lies nowhere.
template <typename Config>
base::Result<MessageSlot> find_msix(Config& config, PciFunction function, std::uint32_t index) {
    auto const at = detail::find_capability(config, function, detail::kMsiX);
    if (at == 0)
        return base::Err{base::Error::not_found};
    if (index > (config.read(function, at + 2, 2) & 0x7ff))
        return base::Err{base::Error::invalid};
    auto const table = config.read(function, at + 4, 4);
    auto const bar = TRY(detail::memory_bar(config, function, table & 7));
    constexpr std::uint64_t kEntryBytes = 16;
    return MessageSlot{.function = function, .entry = bar + (table & ~7U) + index * kEntryBytes};
}

/// Has the device write @p message, unmasked. False if its registers cannot be reached.
template <typename Config> bool write_message(Config& config, MessageSlot const& slot, arch::Message const& message) {
    auto const low = static_cast<std::uint32_t>(message.address);
    auto const high = static_cast<std::uint32_t>(message.address >> 32);
    if (slot.capability == 0)
        return arch::write_device(slot.entry, low) && arch::write_device(slot.entry + 4, high) &&
               arch::write_device(slot.entry + 8, message.data) && arch::write_device(slot.entry + 12, 0);
    unsigned const at = slot.capability;
    config.write(slot.function, at + 4, 4, low);
    if (slot.wide)
        config.write(slot.function, at + 8, 4, high);
    unsigned const data = at + (slot.wide ? 12 : 8);
    config.write(slot.function, data, 2, message.data);
    if (slot.maskable)
        config.write(slot.function, data + 4, 4, 0);
    return true;
}

} // namespace irq
