/// System time: nanoseconds since boot, computed from the TSC. A value: every CPU reads the same one.
#pragma once

#include <cstdint>

#include "timing/scale.hpp"

namespace timing {

inline constexpr std::uint64_t kNever = ~std::uint64_t{0}; ///< a time that does not come
inline constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

class SystemClock {
  public:
    SystemClock() = default;
    /// Starts at 0 when the TSC is @p start. @p tsc_khz is not 0.
    SystemClock(std::uint64_t start, std::uint64_t tsc_khz);

    /// Never decreases as @p tsc increases. A TSC from before the start (a CPU a little behind) is the start.
    [[nodiscard]] std::uint64_t now(std::uint64_t tsc) const;

    /// The TSC for which to set a timer: a little later than @p ns at most, and never earlier. kNever stays kNever.
    [[nodiscard]] std::uint64_t tsc_at(std::uint64_t ns) const;

    [[nodiscard]] std::uint64_t start() const { return start_; }
    [[nodiscard]] Scale to_ns() const { return to_ns_; }

  private:
    std::uint64_t start_ = 0;
    Scale to_ns_;
    Scale to_tsc_;
};

} // namespace timing
