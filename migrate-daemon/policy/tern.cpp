#include "policy/tern.hpp"

#include <algorithm>

#include "policy/helps.hpp"

namespace policy {
namespace {

constexpr unsigned kPatience = 2; ///< rounds that need not help before it is believed that none will
constexpr double kAim = 0.67;     ///< the guest is to write so much of what the link takes
constexpr double kLeastStep = 0.1;

} // namespace

Decision Tern::first() { return next("all pages"); }

Decision Tern::next(std::string_view reason) const {
    Decision decision;
    decision.order = Order::hot_last;
    decision.throttle = throttle_;
    decision.reason = reason;
    return decision;
}

Decision Tern::end(std::string_view reason) const {
    auto decision = next(reason);
    bool const forced = options_.last == Last::force;
    decision.what = forced ? Decision::What::stop_and_copy : Decision::What::give_up;
    return decision;
}

double Tern::more_throttle(Observation const& seen) const {
    auto const writes = seen.dirty_rate / std::max(1 - seen.throttle, 0.01); // what it would do unslowed
    auto const enough = writes > 0 ? 1 - kAim * seen.throughput() / writes : 0;
    return std::min(std::max(enough, throttle_ + kLeastStep), options_.most_throttle);
}

Decision Tern::decide(Observation const& seen) {
    auto const left = static_cast<double>(seen.dirty);
    auto stop = next("the blackout fits its budget");
    stop.what = Decision::What::stop_and_copy;
    if (left == 0 || (seen.throughput() > 0 && seen.blackout() <= options_.downtime))
        return stop;
    if (options_.timeout > 0 && seen.elapsed_seconds >= options_.timeout)
        return end("the time is up and the budget not met");
    if (seen.round + 1 >= options_.rounds)
        return end("so many rounds were sent and the budget not met");

    if (helps(left, least_))
        idle_rounds_ = 0;
    else
        ++idle_rounds_;
    least_ = std::min(least_, left);
    if (idle_rounds_ < kPatience)
        return next("rounds still help");

    if (seen.fixed_seconds >= options_.downtime) {
        stop.reason = "rounds do not help, and the fixed cost alone exceeds the budget";
        return stop;
    }
    if (!options_.may_throttle || throttle_ >= options_.most_throttle)
        return end(options_.may_throttle ? "even a guest slowed down writes too fast for the budget"
                                         : "the guest writes too fast for the budget, and may not be slowed down");
    throttle_ = more_throttle(seen);
    idle_rounds_ = 0;
    least_ = left;
    return next("the guest is slowed down to meet the budget");
}

} // namespace policy
