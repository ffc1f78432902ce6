/// The wall clock: UTC, kept as the time of day at which system time was 0 (docs/abi.md §5.6).
#pragma once

#include <cstdint>

#include "abi/xen.hpp"
#include "base/result.hpp"

namespace timing {

/// Seconds and nanoseconds (below 10^9) since 1970-01-01 UTC.
struct WallTime {
    std::uint64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    constexpr bool operator==(WallTime const&) const = default;
};

/// The time of day when system time was 0, given that it was @p now at system time @p system_ns (XENPF_settime64).
/// Error::invalid if that is before 1970 or @p now is not normal.
[[nodiscard]] base::Result<WallTime> wall_time_at_boot(WallTime now, std::uint64_t system_ns);

/// @p time, @p ns later, or earlier if it is negative; not before 1970.
[[nodiscard]] WallTime shifted(WallTime time, std::int64_t ns);

/// From @p earlier to @p later in ns; 0 if it is not later, and kNever if that is too long for a number.
[[nodiscard]] std::uint64_t nanoseconds_between(WallTime earlier, WallTime later);

/// Writes @p at_boot into the wall-clock fields of @p shared by the version protocol. One writer at a time.
void publish(shared_info_t& shared, WallTime at_boot);

} // namespace timing
