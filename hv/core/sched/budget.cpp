#include "sched/budget.hpp"

#include <algorithm>

#include "sched/policy.hpp"

namespace sched {

void Budget::refill(Period& period, std::uint64_t now) const {
    if (now < period.end)
        return;
    auto const quota = static_cast<std::int64_t>(kCapPeriod / 100 * cap());
    auto const periods = (now - period.end) / kCapPeriod + 1;
    // Debts are a few slices at most; over so many periods anything is paid.
    constexpr std::uint64_t kEnough = 1'000;
    auto const earned = static_cast<std::int64_t>(std::min(periods, kEnough)) * quota;
    period.left = std::min(period.left + earned, quota);
    period.end += periods * kCapPeriod;
}

std::int64_t Budget::draw(std::int64_t rest, std::uint64_t most, std::uint64_t now) {
    auto const wanted = static_cast<std::int64_t>(most);
    if (cap() == 0)
        return wanted;
    return period_.with([&](Period& period) {
        period.left += rest;
        refill(period, now);
        auto const drawn = std::clamp<std::int64_t>(period.left, 0, wanted);
        period.left -= drawn;
        return drawn;
    });
}

std::uint64_t Budget::refills_at() {
    return period_.with([](Period const& period) { return period.end; });
}

} // namespace sched
