/// SCHEDOP_watchdog: a kernel's timers that end its domain unless it sets them anew in time (docs/abi.md §3.6).
#pragma once

#include <array>
#include <cstdint>

#include "base/lock.hpp"
#include "base/result.hpp"
#include "timing/timer_queue.hpp"

namespace domain {

struct Domain;

class Watchdogs {
  public:
    static constexpr std::uint32_t kCount = 2; ///< as many as Xen has

    explicit Watchdogs(Domain& domain);

    /// Takes a free one, and sets it to @p seconds from now. Its number, from 1 on; Error::no_space: none is free.
    [[nodiscard]] base::Result<std::uint32_t> start(std::uint32_t seconds);
    /// Sets watchdog @p number anew; with 0 seconds it is stopped, and free. Error::invalid: it is not in use.
    [[nodiscard]] base::Status set(std::uint32_t number, std::uint32_t seconds);
    /// Stops and frees all. One may be firing at this moment on another CPU.
    void stop_all();

  private:
    struct One {
        timing::Timer timer;
        bool in_use = false;
    };

    void arm(One& one, std::uint32_t seconds);

    Domain& domain_;
    base::Guarded<std::array<One, kCount>, base::LockRank::domain> all_;
};

} // namespace domain
