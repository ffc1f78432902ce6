/// A cap: the CPU time that the vCPUs of one domain may have together (`xl sched-credit2 --cap`).
#pragma once

#include <atomic>
#include <cstdint>

#include "base/lock.hpp"

namespace sched {

/// What is left of a cap in this period. Nothing is saved for the next; a debt is. Any CPU, any time.
class Budget {
  public:
    /// In percent of one CPU; 0: no limit. Counts from the next period on.
    void set_cap(std::uint16_t percent) { cap_.store(percent, std::memory_order_relaxed); }
    [[nodiscard]] std::uint16_t cap() const { return cap_.load(std::memory_order_relaxed); }

    /// Takes back @p rest nanoseconds of an earlier draw (a debt if negative), and hands out up to @p most, or 0.
    [[nodiscard]] std::int64_t draw(std::int64_t rest, std::uint64_t most, std::uint64_t now);
    /// When there may be more than now.
    [[nodiscard]] std::uint64_t refills_at();

  private:
    struct Period {
        std::int64_t left = 0;
        std::uint64_t end = 0;
    };
    void refill(Period& period, std::uint64_t now) const;

    std::atomic<std::uint16_t> cap_{0};
    base::Guarded<Period, base::LockRank::budget> period_;
};

} // namespace sched
