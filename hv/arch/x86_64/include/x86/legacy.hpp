/// The PC's older devices: 8259 interrupt controllers, the 8254 timer, the real-time clock.
#pragma once

#include <cstdint>
#include <optional>

namespace x86 {

/// Moves the 8259s' vectors out of the exceptions' way and masks them for good.
void silence_pics();

/// How many TSC ticks pass while the 8254 counts @p microseconds (below 50000). Nothing if it ran out meanwhile: we were
/// kept from looking.
std::optional<std::uint64_t> tsc_ticks_by_pit(std::uint32_t microseconds);

} // namespace x86
