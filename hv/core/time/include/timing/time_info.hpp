/// pvclock: what a guest is told, so that it can compute the system time from the TSC (docs/abi.md §5.6).
#pragma once

#include <cstdint>

#include "abi/xen.hpp"
#include "timing/system_clock.hpp"

namespace timing {

/// Whether TSCs run in step on all CPUs for ever, so that guests may compare times of several (and use their vDSO).
enum class TscStable : bool { no, yes };

/// The time area as of @p tsc; the version is 0.
[[nodiscard]] vcpu_time_info_t time_info(SystemClock const& clock, std::uint64_t tsc, TscStable stable);

/// Writes @p info to @p area, which a guest may read at the same time, and write, too: the version is odd while the
/// fields change. One writer at a time.
void publish(vcpu_time_info_t& area, vcpu_time_info_t const& info);

} // namespace timing
