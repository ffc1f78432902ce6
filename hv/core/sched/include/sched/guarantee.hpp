/// A reservation: a slice of a CPU in each period, before all who have none.
///
/// As the domains of Nemesis had it (Leslie et al., "The Design and Implementation of an Operating System to Support
/// Distributed Multimedia Applications", IEEE JSAC 14(7), 1996): of those with something left, whose period ends first
/// runs. Who has used its slice goes on among the others, by its weight; its guaranteed time does not count there.
/// Each is a constant-bandwidth server (Abeni and Buttazzo, RTSS 1998), so that nobody gets more than its slice by the
/// way it sleeps and wakes, and slices that add up to no more than the CPU are always had in time.
#pragma once

#include <cstdint>

namespace sched {

/// In nanoseconds; a slice of 0: none.
struct Reservation {
    std::uint64_t period = 0;
    std::uint64_t slice = 0;

    constexpr bool operator==(Reservation const&) const = default;
    [[nodiscard]] constexpr bool any() const { return slice != 0; }
};

/// What is left of a reservation in its period.
class Guarantee {
  public:
    void set(Reservation const& reservation, std::uint64_t now);
    [[nodiscard]] Reservation const& reservation() const { return reservation_; }
    [[nodiscard]] bool any() const { return reservation_.any(); }

    [[nodiscard]] std::uint64_t left() const { return left_; }
    /// When the period ends; meaningful if there is a reservation.
    [[nodiscard]] std::uint64_t deadline() const { return deadline_; }

    /// Counts @p ran nanoseconds. Answers how many of them were not guaranteed.
    std::uint64_t spend(std::uint64_t ran);
    /// A new period, if the last one is over.
    void renew(std::uint64_t now);
    /// The same for one that wakes up: with so much left that it could take more than its part until the end of this
    /// period, it begins a new one.
    void wake(std::uint64_t now);

  private:
    void begin_period(std::uint64_t end);

    Reservation reservation_;
    std::uint64_t left_ = 0;
    std::uint64_t deadline_ = 0;
};

} // namespace sched
