#include "policy/forecast.hpp"

#include <algorithm>
#include <cmath>

namespace policy {

double written_in(Writer const& guest, double seconds) {
    if (guest.working_set <= 0)
        return 0;
    return guest.working_set * (1 - std::exp(-guest.writes * seconds / guest.working_set));
}

Writer writer_of(double few, double moment, double many, double longer, double frames) {
    few = std::max(few, many * moment / longer); // no more than this is new later: a set without an end
    if (few <= 0)
        return {};
    // The larger the set, the more of it is new each time. Of all sets that explain `few`, the one that explains `many`, too.
    auto const guest = [&](double set) {
        double const share = std::min(few / set, 1 - 1e-9);
        return Writer{.working_set = set, .writes = -set * std::log(1 - share) / moment};
    };
    double low = std::max(few, many), high = std::max(frames, low);
    constexpr int kHalvings = 60;
    for (int i = 0; i < kHalvings; ++i) {
        double const middle = (low + high) / 2;
        (written_in(guest(middle), longer) < many ? low : high) = middle;
    }
    return guest(high);
}

Forecast forecast(Policy& policy, World const& world) {
    constexpr std::uint32_t kMostRounds = 1000;
    Forecast out;
    auto decision = policy.first();
    double dirty = world.frames;
    while (decision.what == Decision::What::next_round && out.rounds < kMostRounds) {
        Observation seen;
        auto const speed = decision.rate > 0 ? std::min(decision.rate, world.bandwidth) : world.bandwidth;
        seen.round = out.rounds++;
        seen.frames = static_cast<std::uint64_t>(world.frames);
        seen.sent = static_cast<std::uint64_t>(dirty);
        seen.round_seconds = std::max(dirty * kPageOctets / (speed * world.ratio), 1e-3);
        seen.throttle = decision.throttle;
        dirty = written_in(world.guest, (1 - decision.throttle) * seen.round_seconds);
        seen.dirty = static_cast<std::uint64_t>(dirty);
        out.seconds += seen.round_seconds;
        seen.elapsed_seconds = out.seconds;
        seen.dirty_rate = dirty / seen.round_seconds;
        seen.bandwidth = world.bandwidth;
        seen.ratio = world.ratio;
        seen.fixed_seconds = world.fixed;
        out.rates.push_back(decision.rate);
        out.throttle = std::max(out.throttle, decision.throttle);
        decision = policy.decide(seen);
        out.blackout = seen.blackout();
    }
    out.what = decision.what;
    out.reason = decision.reason;
    return out;
}

} // namespace policy
