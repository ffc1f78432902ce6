/// I/O APICs: which line of a device interrupts which CPU with which vector.
///
/// All lines are masked at start of day. The console's is the hypervisor's own; the others are routed on dom0's word
/// (the physdev hypercalls), through arch/devices.hpp. Only one CPU at a time may be in here.
#pragma once

#include <cstdint>
#include <optional>

#include "base/frame.hpp"

namespace x86 {

enum class Polarity : std::uint8_t { high, low };
enum class Trigger : std::uint8_t { edge, level };

struct Route {
    std::uint32_t vector = 0;
    std::uint32_t apic_id = 0; ///< xAPIC can name 0..255 only
    Polarity polarity = Polarity::high;
    Trigger trigger = Trigger::edge;
    bool masked = false;
};

/// Takes over the I/O APIC at @p registers, whose first line is @p first_gsi, and masks all its lines. False if there
/// are too many, or if nothing answers there.
bool add_io_apic(base::Maddr registers, std::uint32_t first_gsi);

/// Sends line @p gsi as @p route says. False if no I/O APIC has it.
bool route(std::uint32_t gsi, Route const& route);
void mask(std::uint32_t gsi);
void unmask(std::uint32_t gsi);

bool has_gsi(std::uint32_t gsi);
/// One past the highest line of all.
std::uint32_t end_of_gsis();
/// Register @p which of the I/O APIC whose registers are at @p at, if there is one.
std::optional<std::uint32_t> read_io_apic(base::Maddr at, std::uint32_t which);

} // namespace x86
