/// The scheduler's constants and its decisions, as pure functions.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sched/guarantee.hpp"
#include "sched/virtual_time.hpp"

namespace sched {

// Weights, as `xl sched-credit` knows them: an entity of weight 512 gets twice what one of weight 256 gets.
inline constexpr std::uint32_t kDefaultWeight = 256;
inline constexpr std::uint32_t kLeastWeight = 1;
inline constexpr std::uint32_t kGreatestWeight = 65535;

// Real time, in nanoseconds.
inline constexpr std::uint64_t kSlice = 5'000'000;      ///< for how long an entity runs while others wait
inline constexpr std::uint64_t kLeastSlice = 1'000'000; ///< the same for those of small weight
inline constexpr std::uint64_t kLeastRun = 100'000;     ///< nobody is preempted sooner: wake-ups cannot stop progress
inline constexpr std::uint64_t kCapPeriod = 10'000'000; ///< in which a capped domain has its part

// Reservations. The rest of a CPU is for those who have none: nobody starves.
inline constexpr std::uint64_t kLeastReserved = 100'000;
inline constexpr std::uint64_t kLongestPeriod = 1'000'000'000;
inline constexpr std::uint32_t kReservable = 900'000; ///< of each CPU, in millionths

// Virtual time.
inline constexpr std::uint64_t kPreemption = 1'000'000; ///< how far behind one must be to interrupt who runs
inline constexpr std::uint64_t kSleeper = 3'000'000;    ///< how far behind the others one may be after a sleep
inline constexpr std::uint64_t kPull = 10'000'000;      ///< how far behind one must be for another CPU to take it
inline constexpr std::uint64_t kWindow = 100'000'000;   ///< how far behind anyone may be at all

/// Small weights get short slices: virtual time runs fast for them, and nobody should be kept waiting in it.
constexpr std::uint64_t slice(std::uint32_t weight) {
    return std::max(kLeastSlice, kSlice * std::min(weight, kDefaultWeight) / kDefaultWeight);
}

/// Whether one at @p waiting is so far behind that it interrupts one at @p running.
constexpr bool preempts(VirtualTime waiting, VirtualTime running) { return waiting + kPreemption < running; }

/// Whether a CPU whose own best is at @p own takes one at @p waiting from another CPU's queue.
constexpr bool pulls(VirtualTime waiting, VirtualTime own) { return waiting + kPull < own; }

/// The part of a CPU that @p reservation takes, in millionths, rounded up.
constexpr std::uint32_t part_of_cpu(Reservation const& reservation) {
    constexpr std::uint64_t kMillion = 1'000'000;
    return reservation.any() ? static_cast<std::uint32_t>((reservation.slice * kMillion + reservation.period - 1) /
                                                          reservation.period)
                             : 0;
}

/// None, or a slice of at least kLeastReserved in a period of at most kLongestPeriod, and no more than all of it.
constexpr bool valid(Reservation const& reservation) {
    return !reservation.any() || (reservation.slice >= kLeastReserved && reservation.slice <= reservation.period &&
                                  reservation.period <= kLongestPeriod);
}

} // namespace sched
