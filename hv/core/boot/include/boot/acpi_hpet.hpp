/// The HPET's place (IA-PC HPET specification 1.0a, §3.2.4).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"

namespace boot {

struct Hpet {
    base::Maddr address; ///< of its registers: 1 KiB, memory-mapped
    std::uint8_t number = 0;
    std::uint16_t minimum_tick = 0;
    bool wide = false; ///< its main counter has 64 bits
};

/// Reads the whole table @p table. invalid: too short, or not in memory space, or no address.
base::Result<Hpet> parse_hpet(base::Bytes table);

} // namespace boot
