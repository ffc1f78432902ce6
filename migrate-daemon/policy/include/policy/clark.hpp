/// Clark et al., "Live Migration of Virtual Machines" (NSDI 2005) §5.3: a rate that adapts. The first round is sent at the lowest rate; each
/// later one at what the guest dirtied during the one before, plus a constant. Stops when that exceeds the highest rate, or little is left.
#pragma once

#include "policy/policy.hpp"

namespace policy {

class Clark final : public Policy {
  public:
    struct Options {
        double lowest = 100e6 / 8; ///< octets a second, as all rates
        double highest = 500e6 / 8;
        double step = 50e6 / 8;
        double left = 256 * 1024; ///< octets
    };
    explicit Clark(Options const& options) : options_{options} {}

    Decision first() override;
    Decision decide(Observation const& seen) override;

  private:
    Options options_;
};

} // namespace policy
