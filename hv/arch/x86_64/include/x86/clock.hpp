/// The time stamp counter's rate.
#pragma once

#include <cstdint>
#include <optional>

#include "base/frame.hpp"

namespace x86 {

/// Measures the TSC against the HPET at @p hpet, or without one against the 8254. Start of day, once.
void calibrate_tsc(std::optional<base::Maddr> hpet);

/// Waits, for hardware that wants time. The TSC must be calibrated.
void delay_microseconds(std::uint32_t microseconds);

} // namespace x86
