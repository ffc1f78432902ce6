#include "sched/guarantee.hpp"

#include <algorithm>

namespace sched {

void Guarantee::begin_period(std::uint64_t end) {
    left_ = reservation_.slice;
    deadline_ = end;
}

void Guarantee::set(Reservation const& reservation, std::uint64_t now) {
    reservation_ = reservation;
    begin_period(now + reservation.period);
}

std::uint64_t Guarantee::spend(std::uint64_t ran) {
    auto const guaranteed = std::min(ran, left_);
    left_ -= guaranteed;
    return ran - guaranteed;
}

void Guarantee::renew(std::uint64_t now) {
    if (!any() || now < deadline_)
        return;
    // One period after the other, so that no time between them is lost; after a long sleep, from now on.
    auto const next = deadline_ + reservation_.period;
    begin_period(next > now ? next : now + reservation_.period);
}

void Guarantee::wake(std::uint64_t now) {
    if (!any())
        return;
    if (now >= deadline_ || left_ * reservation_.period > (deadline_ - now) * reservation_.slice)
        begin_period(now + reservation_.period);
}

} // namespace sched
