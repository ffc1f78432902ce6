/// pvclock: what a guest is told, so that it can compute the system time from the TSC (docs/abi.md §5.6).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/xen.hpp"
#include "timing/system_clock.hpp"

namespace timing {

/// Whether TSCs run in step on all CPUs for ever, so that guests may compare times of several (and use their vDSO).
enum class TscStable : bool { no, yes };

/// The time area as of @p tsc; the version is 0. Of TSCs in step it is always the same, whatever @p tsc is: one relation to the
/// time holds on all CPUs for ever.
[[nodiscard]] vcpu_time_info_t time_info(SystemClock const& clock, std::uint64_t tsc, TscStable stable);

/// Whether a guest computes the same from both: whether they are equal but for the version.
[[nodiscard]] bool same_time(vcpu_time_info_t const& one, vcpu_time_info_t const& other);

/// Writes @p info to @p area, which a guest may read at the same time, and write, too: the version is odd while the
/// fields change. One writer at a time.
void publish(vcpu_time_info_t& area, vcpu_time_info_t const& info);

/// The same for an area that is reached through @p write(offset, bytes) -> bool alone. @p shown is what it holds, and is kept up
/// to date; false, and @p shown as it was, if a write fails.
template <typename Write> bool publish(vcpu_time_info_t& shown, vcpu_time_info_t info, Write&& write) {
    auto const bytes = [](auto const& value) { return std::as_bytes(std::span{&value, 1}); };
    constexpr auto kVersion = offsetof(vcpu_time_info_t, version);
    info.version = shown.version | 1;
    if (!write(kVersion, bytes(info.version)))
        return false;
    std::atomic_thread_fence(std::memory_order_release); // the odd version is seen before any new field
    if (!write(std::size_t{0}, bytes(info)))
        return false;
    std::atomic_thread_fence(std::memory_order_release); // every new field is seen before the even one
    ++info.version;
    if (!write(kVersion, bytes(info.version)))
        return false;
    shown = info;
    return true;
}

} // namespace timing
