/// When a domain ran: what a downtime is measured with, from its last instruction on one host to its first on another.
///
/// Only what stops a domain or sets it going writes here, and a CPU that takes up or leaves a vCPU; entering and leaving the guest
/// costs nothing; and what stops or sets a single-shot timer, by which it can be told for how long a guest's own clock stands still: one
/// that suspends itself stops both together. System time in ns; 0: never.
#pragma once

#include <atomic>
#include <cstdint>

namespace domain {

struct Stamps {
    std::atomic<std::uint64_t> paused{0};    ///< when the toolstack's first pause() began
    std::atomic<std::uint64_t> shut_down{0}; ///< when it last shut down
    std::atomic<std::uint64_t> first_ran{0}; ///< when a vCPU came to a CPU, the first since set_going()
    /// Of single-shot timers: when a vCPU last stopped its own, if none has set one since; when one first did since set_going().
    std::atomic<std::uint64_t> timer_stopped{0}, timer_set{0};

    /// Its vCPUs may run again from now on, or for the first time.
    void set_going() {
        first_ran.store(0, std::memory_order_relaxed);
        timer_set.store(0, std::memory_order_relaxed);
    }
    /// A vCPU of its is about to enter the guest. @p now() is asked once after each set_going().
    template <typename Now> void runs(Now&& now) {
        std::uint64_t none = 0;
        if (first_ran.load(std::memory_order_relaxed) == 0)
            first_ran.compare_exchange_strong(none, now(), std::memory_order_relaxed);
    }
    void stops_timer(std::uint64_t now) { timer_stopped.store(now, std::memory_order_relaxed); }
    /// @p now() is asked as in runs(). What is set most often, and by all vCPUs, is looked at before it is written to.
    template <typename Now> void sets_timer(Now&& now) {
        if (timer_stopped.load(std::memory_order_relaxed) != 0)
            timer_stopped.store(0, std::memory_order_relaxed);
        std::uint64_t none = 0;
        if (timer_set.load(std::memory_order_relaxed) == 0)
            timer_set.compare_exchange_strong(none, now(), std::memory_order_relaxed);
    }
};

} // namespace domain
