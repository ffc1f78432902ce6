#include "timing/system_clock.hpp"

namespace timing {

namespace {
constexpr std::uint64_t kNanosecondsPerMillisecond = 1'000'000; // 1 kHz is one tick in so many nanoseconds
}

SystemClock::SystemClock(std::uint64_t start, std::uint64_t tsc_khz)
    : start_{start},
      to_ns_{Scale::ratio(kNanosecondsPerMillisecond, tsc_khz)},
      to_tsc_{Scale::ratio(tsc_khz, kNanosecondsPerMillisecond)} {}

std::uint64_t SystemClock::now(std::uint64_t tsc) const { return tsc <= start_ ? 0 : to_ns_.apply(tsc - start_); }

std::uint64_t SystemClock::tsc_at(std::uint64_t ns) const {
    if (ns == kNever)
        return kNever;
    // Both scales round down, so the first guess is early, by a part in 2^31 and a tick or two. What it is short of,
    // measured by the clock itself, is added until nothing is missing: two or three rounds.
    std::uint64_t ticks = to_tsc_.apply(ns);
    for (std::uint64_t reached = to_ns_.apply(ticks); reached < ns; reached = to_ns_.apply(ticks)) {
        auto const more = to_tsc_.apply(ns - reached) + 1;
        if (ticks > kNever - start_ - more)
            return kNever; // centuries away
        ticks += more;
    }
    return ticks > kNever - start_ ? kNever : start_ + ticks;
}

} // namespace timing
