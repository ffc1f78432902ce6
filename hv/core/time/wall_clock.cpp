#include "timing/wall_clock.hpp"

#include <atomic>

#include "timing/system_clock.hpp"

namespace timing {

base::Result<WallTime> wall_time_at_boot(WallTime now, std::uint64_t system_ns) {
    if (now.nanoseconds >= kNanosecondsPerSecond)
        return base::Err{base::Error::invalid};
    auto seconds = system_ns / kNanosecondsPerSecond;
    auto const nanoseconds = system_ns % kNanosecondsPerSecond;
    bool const borrow = now.nanoseconds < nanoseconds;
    if (borrow)
        ++seconds;
    if (now.seconds < seconds)
        return base::Err{base::Error::invalid};
    auto const rest = now.nanoseconds + (borrow ? kNanosecondsPerSecond : 0) - nanoseconds;
    return WallTime{now.seconds - seconds, static_cast<std::uint32_t>(rest)};
}

WallTime shifted(WallTime time, std::int64_t ns) {
    constexpr auto kSecond = static_cast<std::int64_t>(kNanosecondsPerSecond);
    auto seconds = static_cast<std::int64_t>(time.seconds) + ns / kSecond;
    auto rest = static_cast<std::int64_t>(time.nanoseconds) + ns % kSecond;
    if (rest < 0) {
        rest += kSecond;
        --seconds;
    } else if (rest >= kSecond) {
        rest -= kSecond;
        ++seconds;
    }
    if (seconds < 0)
        return {};
    return {static_cast<std::uint64_t>(seconds), static_cast<std::uint32_t>(rest)};
}

std::uint64_t nanoseconds_between(WallTime earlier, WallTime later) {
    if (later.seconds < earlier.seconds ||
        (later.seconds == earlier.seconds && later.nanoseconds <= earlier.nanoseconds))
        return 0;
    auto const seconds = later.seconds - earlier.seconds;
    if (seconds >= kNever / kNanosecondsPerSecond)
        return kNever;
    return seconds * kNanosecondsPerSecond + later.nanoseconds - earlier.nanoseconds;
}

void publish(shared_info_t& shared, WallTime at_boot) {
    constexpr auto relaxed = std::memory_order_relaxed;
    std::atomic_ref const version{shared.wc_version};
    auto const during = version.load(relaxed) | 1;
    version.store(during, relaxed);
    std::atomic_thread_fence(std::memory_order_release); // a reader that sees a new field sees the odd version, too
    std::atomic_ref{shared.wc_sec}.store(static_cast<std::uint32_t>(at_boot.seconds), relaxed);
    std::atomic_ref{shared.wc_sec_hi}.store(static_cast<std::uint32_t>(at_boot.seconds >> 32), relaxed);
    std::atomic_ref{shared.wc_nsec}.store(at_boot.nanoseconds, relaxed);
    version.store(during + 1, std::memory_order_release);
}

} // namespace timing
