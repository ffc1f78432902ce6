/// Xen 4.17's rule: stop below 50 dirty pages, or after 5 rounds.
#pragma once

#include "policy/policy.hpp"

namespace policy {

class Xen final : public Policy {
  public:
    struct Options {
        std::uint64_t pages = 50;
        std::uint32_t rounds = 5;
    };
    explicit Xen(Options const& options) : options_{options} {}

    Decision first() override { return {}; }
    Decision decide(Observation const& seen) override;

  private:
    Options options_;
};

} // namespace policy
