/// When a domain ran: what a downtime is measured with, from its last instruction on one host to its first on another.
///
/// Only what stops a domain or sets it going writes here, and a CPU that takes up or leaves a vCPU; entering and leaving the guest
/// costs nothing. System time in ns; 0: never.
#pragma once

#include <atomic>
#include <cstdint>

namespace domain {

struct Stamps {
    std::atomic<std::uint64_t> paused{0};    ///< when the toolstack's first pause() began
    std::atomic<std::uint64_t> shut_down{0}; ///< when it last shut down
    std::atomic<std::uint64_t> first_ran{0}; ///< when a vCPU came to a CPU, the first since set_going()

    /// Its vCPUs may run again from now on, or for the first time.
    void set_going() { first_ran.store(0, std::memory_order_relaxed); }
    /// A vCPU of its is about to enter the guest. @p now() is asked once after each set_going().
    template <typename Now> void runs(Now&& now) {
        std::uint64_t none = 0;
        if (first_ran.load(std::memory_order_relaxed) == 0)
            first_ran.compare_exchange_strong(none, now(), std::memory_order_relaxed);
    }
};

} // namespace domain
