/// Waiting for the other end of a ring: for its events, and not for ever, so that one who has given up is a test that fails.
#pragma once

#include "lib/events.hpp"
#include "lib/guest.hpp"
#include "lib/test.hpp"

/// Why a test is not made in this run of the guest; null if it is. A run that is to lose its store does nothing else ("store=" on the
/// command line).
inline char const* not_in_this_run() {
    if (lib::is_dom0())
        return lib::kDomusOwn;
    return lib::option("store=").empty() ? nullptr : "the run is for its store";
}

/// Longer than any back end takes in an emulated machine that has others to emulate.
inline constexpr std::uint64_t kPatience = 60'000 * lib::kMillisecond;
inline constexpr std::uint64_t kLook = 20 * lib::kMillisecond;

/// Waits until @p done says so, which is asked again after each event of @p port, a masked one. False: it never did.
template <typename Condition> bool wait_until(lib::Port port, Condition const& done) {
    std::uint64_t const deadline = lib::now() + kPatience;
    for (;;) {
        lib::clear_pending(port);
        if (done())
            return true;
        if (lib::now() >= deadline)
            return false;
        lib::poll(&port, 1, deadline);
    }
}

/// The same of what nobody sends an event for.
template <typename Condition> bool wait_looking(Condition const& done) {
    lib::Port const nothing = 0;
    for (std::uint64_t const deadline = lib::now() + kPatience; !done(); lib::poll(&nothing, 0, lib::now() + kLook))
        if (lib::now() >= deadline)
            return false;
    return true;
}

/// Time for a reader who says nothing of what he has seen: for the attack's sake alone, no check depends on it.
inline void let_others_look() {
    lib::Port const nothing = 0;
    lib::poll(&nothing, 0, lib::now() + kLook);
}
