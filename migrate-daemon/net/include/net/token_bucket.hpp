/// How fast octets may leave. Pure: whoever asks says what time it is.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace net {

/// Octets may be spent before they are there: who spends them waits until the debt is paid. So all users share the rate fairly, and
/// one that sends much at once holds up none but itself and those after it.
class TokenBucket {
  public:
    using Clock = std::chrono::steady_clock;

    /// @p rate in octets a second; 0: no limit.
    explicit TokenBucket(std::uint64_t rate = 0) : rate_{rate} {}

    void set_rate(std::uint64_t rate) { rate_ = rate; }
    [[nodiscard]] std::uint64_t rate() const { return rate_; }

    /// @p octets are sent at @p now: how long to wait before. What was not used is kept for 10 ms, no longer.
    Clock::duration take(Clock::time_point now, std::uint64_t octets) {
        if (rate_ == 0)
            return {};
        free_at_ = std::max(free_at_, now - kKept);
        auto const wait = std::max(free_at_ - now, Clock::duration{});
        free_at_ += std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(static_cast<double>(octets) / static_cast<double>(rate_)));
        return wait;
    }

  private:
    static constexpr std::chrono::milliseconds kKept{10};

    std::uint64_t rate_;
    Clock::time_point free_at_{}; ///< when all that was spent will have been earned
};

} // namespace net
