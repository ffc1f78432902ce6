/// I/O APICs: which line of a device interrupts which CPU with which vector.
///
/// All lines are masked at start of day. The console's is the hypervisor's own; the others are routed on dom0's word
/// (the physdev hypercalls): that is to come, through route() and mask().
#pragma once

#include <cstdint>

#include "base/frame.hpp"

namespace x86 {

enum class Polarity : std::uint8_t { high, low };
enum class Trigger : std::uint8_t { edge, level };

struct Route {
    std::uint32_t vector = 0;
    std::uint32_t apic_id = 0; ///< xAPIC can name 0..255 only
    Polarity polarity = Polarity::high;
    Trigger trigger = Trigger::edge;
};

/// Takes over the I/O APIC at @p registers, whose first line is @p first_gsi, and masks all its lines. False if there
/// are too many, or if nothing answers there.
bool add_io_apic(base::Maddr registers, std::uint32_t first_gsi);

/// Sends line @p gsi as @p route says, unmasked. False if no I/O APIC has it.
bool route(std::uint32_t gsi, Route const& route);
bool mask(std::uint32_t gsi);

} // namespace x86
