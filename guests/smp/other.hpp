/// The vCPU that vCPU 0 works with.
#pragma once

#include "lib/events.hpp"
#include "lib/test.hpp"
#include "lib/vcpu.hpp"

#define SKIP_UNLESS_TWO() SKIP_UNLESS(lib::vcpus() > 1, "the domain has one vCPU")

inline constexpr unsigned kOther = 1;

/// Yields until @p done, but not for ever: a minute is an answer, too.
template <typename Condition> bool wait_until(Condition const& done) {
    std::uint64_t const end = lib::now() + 60'000 * lib::kMillisecond;
    while (!done()) {
        if (lib::now() > end)
            return false;
        lib::sched_op(SCHEDOP_yield);
    }
    return true;
}
