/// How long a CPU has had nothing to do, in ns. Written by that CPU alone, read by any.
#pragma once

#include <atomic>
#include <cstdint>

namespace domain {

class IdleTime {
  public:
    /// From @p now on it idles; times are system time.
    void begin(std::uint64_t now) { word_.store(kIdle | (now - total()), std::memory_order_relaxed); }
    void end(std::uint64_t now) { word_.store(up_to(now), std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t up_to(std::uint64_t now) const {
        auto const word = word_.load(std::memory_order_relaxed);
        if ((word & kIdle) == 0)
            return word;
        auto const start = word & ~kIdle;
        return now > start ? now - start : 0;
    }

  private:
    static constexpr std::uint64_t kIdle = std::uint64_t{1} << 63;

    [[nodiscard]] std::uint64_t total() const { return up_to(0); }

    /// Busy: the total. Idle: kIdle, and when it would have begun had all of it been at once. One word, so that a reader
    /// sees both or neither.
    std::atomic<std::uint64_t> word_{0};
};

} // namespace domain
