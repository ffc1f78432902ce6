#include "migrate/clock_relation.hpp"

namespace migrate {

void ClockRelation::observe(std::uint64_t sent, std::uint64_t there, std::uint64_t received) {
    if (received < sent)
        return;
    auto const trip = received - sent;
    auto const error = static_cast<std::int64_t>(trip - trip / 2);
    if (known_ && error > error_at(received))
        return; // what is known already is better, drift and all
    known_ = true;
    offset_ = static_cast<std::int64_t>(there - (sent + trip / 2));
    error_ = error;
    when_ = received;
}

std::int64_t ClockRelation::error_at(std::uint64_t here) const {
    auto const age = here > when_ ? here - when_ : when_ - here;
    return error_ + static_cast<std::int64_t>(age / 1'000'000) * kDriftPpm;
}

} // namespace migrate
