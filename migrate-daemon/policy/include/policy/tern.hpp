/// Ours: a budget for the blackout, which counts everything that it is made of: the measured fixed cost and the pages that are left.
///
/// - Stops as soon as a blackout that begins now would fit the budget.
/// - Otherwise sends rounds while they help: while what is left keeps falling.
/// - Only when it does not, and slowing the guest down can still meet the budget, takes vCPU time away: as much as makes the link
///   half as fast again as the guest writes, more if that does not help.
/// - If the fixed cost alone exceeds the budget nothing can meet it, so nothing is slowed down: stops when rounds do not help any more.
/// - When all this is exhausted, or time is up, does what it was told: give up (the guest stays), or stop and copy whatever is left.
#pragma once

#include <limits>

#include "policy/policy.hpp"

namespace policy {

class Tern final : public Policy {
  public:
    enum class Last : std::uint8_t { cancel, force };
    struct Options {
        double downtime = 0.05; ///< seconds
        double timeout = 120;   ///< seconds; 0: none
        std::uint32_t rounds = 50;
        bool may_throttle = true;
        double most_throttle = 0.95;
        Last last = Last::cancel;
    };
    explicit Tern(Options const& options) : options_{options} {}

    Decision first() override;
    Decision decide(Observation const& seen) override;

  private:
    [[nodiscard]] Decision next(std::string_view reason) const;
    [[nodiscard]] Decision end(std::string_view reason) const;
    [[nodiscard]] double more_throttle(Observation const& seen) const;

    Options options_;
    double least_ = std::numeric_limits<double>::infinity(); ///< pages left after the best round under this throttle
    unsigned idle_rounds_ = 0;                               ///< rounds that did not help, one after the other
    double throttle_ = 0;
};

} // namespace policy
