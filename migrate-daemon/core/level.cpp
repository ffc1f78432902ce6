#include "migrate/level.hpp"

#include <algorithm>

namespace migrate {
namespace {

constexpr double kNew = 0.5;        ///< the weight of a new sample against all older ones
constexpr double kWorthIt = 1.05;   ///< a neighbour has to be so much better
constexpr unsigned kForgotten = 64; ///< samples, after which what was seen of a level is not believed any more

/// What is hoped of a level that was never tried: one step up takes twice the time and packs a tenth better.
constexpr double kSlower = 0.5;
constexpr double kTighter = 1.1;

} // namespace

double LevelGovernor::moves(Seen const& seen) const {
    return link_ > 0 ? std::min(seen.codec_speed, link_ * seen.ratio) : seen.codec_speed;
}

double LevelGovernor::hoped(std::size_t level) const {
    if (seen_[level])
        return moves(*seen_[level]);
    auto const& here = *seen_[at_];
    bool const up = level > at_;
    // Not packing at all costs next to nothing, and gains nothing.
    if (kLevels[level] == 0)
        return moves({here.codec_speed * 10, 1, 0});
    return moves({here.codec_speed * (up ? kSlower : 1 / kSlower),
                  std::max(1.0, here.ratio * (up ? kTighter : 1 / kTighter)), 0});
}

void LevelGovernor::observe(Sample const& sample) {
    if (sample.contents <= 0 || sample.packed <= 0 || sample.codec_seconds <= 0)
        return;
    for (auto& one : seen_)
        if (one && ++one->age > kForgotten)
            one.reset();
    auto const speed = sample.contents / sample.codec_seconds;
    auto const ratio = sample.contents / sample.packed;
    auto& here = seen_[at_];
    if (here)
        here =
            Seen{here->codec_speed + kNew * (speed - here->codec_speed), here->ratio + kNew * (ratio - here->ratio), 0};
    else
        here = Seen{speed, ratio, 0};
    if (sample.link_speed > 0)
        link_ = link_ > 0 ? link_ + kNew * (sample.link_speed - link_) : sample.link_speed;
    choose();
}

void LevelGovernor::choose() {
    auto best = at_;
    auto most = moves(*seen_[at_]) * kWorthIt;
    auto const consider = [&](std::size_t level) {
        if (auto const expected = hoped(level); expected > most) {
            most = expected;
            best = level;
        }
    };
    if (at_ > 0)
        consider(at_ - 1);
    if (at_ + 1 < kLevels.size())
        consider(at_ + 1);
    at_ = best;
}

} // namespace migrate
