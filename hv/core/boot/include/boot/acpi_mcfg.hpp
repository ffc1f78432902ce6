/// Memory-mapped PCI configuration space (PCI Firmware specification 3.0, §4.1.2).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/fixed_vector.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"

namespace boot {

/// The buses first_bus .. last_bus of one PCI segment. 1 MiB a bus, from `address` on, which is where bus 0 would be.
struct McfgWindow {
    base::Maddr address;
    std::uint16_t segment = 0;
    std::uint8_t first_bus = 0;
    std::uint8_t last_bus = 0;
};

struct Mcfg {
    base::FixedVector<McfgWindow, 16> windows;
    std::uint32_t dropped = 0; ///< entries that were malformed, or too many
};

/// Reads the whole table @p table. invalid if it is shorter than its fixed part.
base::Result<Mcfg> parse_mcfg(base::Bytes table);

} // namespace boot
