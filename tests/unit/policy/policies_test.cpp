/// The policies against guests that are formulas: a working set of W pages, written at a rate, beside a link.
#include "policy/clark.hpp"
#include "policy/tern.hpp"
#include "policy/xen.hpp"

#include <cmath>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace policy;
using What = Decision::What;

struct World {
    double frames = 65536;
    double working_set = 0; ///< pages
    double writes = 0;      ///< pages a second, at random within the working set
    double bandwidth = 100e6;
    double ratio = 1;
    double fixed = 0.005;
};

struct Outcome {
    What what = What::next_round;
    std::string_view reason;
    std::uint32_t rounds = 0;
    double blackout = 0;
    double seconds = 0;
    double throttle = 0; ///< the most that was asked for
    std::vector<double> rates;
};

/// Runs @p policy until it stops; never more than 1000 rounds.
Outcome run(Policy& policy, World const& world) {
    Outcome out;
    auto decision = policy.first();
    double dirty = world.frames;
    while (decision.what == What::next_round && out.rounds < 1000) {
        Observation seen;
        auto const speed = decision.rate > 0 ? std::min(decision.rate, world.bandwidth) : world.bandwidth;
        seen.round = out.rounds++;
        seen.frames = static_cast<std::uint64_t>(world.frames);
        seen.sent = static_cast<std::uint64_t>(dirty);
        seen.round_seconds = std::max(dirty * kPageOctets / (speed * world.ratio), 1e-3);
        seen.throttle = decision.throttle;
        auto const writes = world.writes * (1 - decision.throttle) * seen.round_seconds;
        dirty = world.working_set > 0 ? world.working_set * (1 - std::exp(-writes / world.working_set)) : 0;
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

World idle() { return {}; }
World busy() { return {.working_set = 16384, .writes = 1000}; }         // 4 MB/s into 64 MiB
World unbounded() { return {.working_set = 16384, .writes = 100'000}; } // four times the link

TEST(XenPolicy, StopsBelowFiftyPagesOrAfterFiveRounds) {
    Xen policy{{}};
    Observation seen;
    for (seen.round = 0; seen.round < 4; ++seen.round) {
        seen.dirty = 50;
        EXPECT_EQ(policy.decide(seen).what, What::next_round);
        seen.dirty = 49;
        EXPECT_EQ(policy.decide(seen).what, What::stop_and_copy);
    }
    seen.dirty = 1'000'000;
    EXPECT_EQ(policy.decide(seen).what, What::stop_and_copy); // the fifth was sent
}

TEST(ClarkPolicy, SendsAtWhatTheGuestDirtiedPlusAStep) {
    Clark policy{{.lowest = 10e6, .highest = 60e6, .step = 5e6, .left = 4 * kPageOctets}};
    EXPECT_DOUBLE_EQ(policy.first().rate, 10e6);
    Observation seen;
    seen.dirty = 5;
    seen.dirty_rate = 40e6 / kPageOctets;
    auto decision = policy.decide(seen);
    EXPECT_EQ(decision.what, What::next_round);
    EXPECT_DOUBLE_EQ(decision.rate, 45e6);
    seen.dirty_rate = 1;
    EXPECT_DOUBLE_EQ(policy.decide(seen).rate, 10e6); // never below the lowest
    seen.dirty = 4;
    EXPECT_EQ(policy.decide(seen).what, What::stop_and_copy); // little is left
    seen.dirty = 1000;
    seen.dirty_rate = 56e6 / kPageOctets;
    decision = policy.decide(seen);
    EXPECT_EQ(decision.what, What::stop_and_copy); // too fast for it
    EXPECT_DOUBLE_EQ(decision.rate, 60e6);
}

TEST(ClarkPolicy, EndsWithEveryGuest) {
    for (auto const& world : {idle(), busy(), unbounded()}) {
        Clark policy{{}};
        EXPECT_EQ(run(policy, world).what, What::stop_and_copy);
    }
}

TEST(TernPolicy, StopsAnIdleGuestAtOnce) {
    Tern policy{{}};
    auto const out = run(policy, idle());
    EXPECT_EQ(out.what, What::stop_and_copy);
    EXPECT_EQ(out.rounds, 1U);
}

TEST(TernPolicy, MeetsTheBudgetWithoutSlowingAGuestDownThatTheLinkCanFollow) {
    Tern policy{{}};
    auto const out = run(policy, busy());
    EXPECT_EQ(out.what, What::stop_and_copy);
    EXPECT_LE(out.blackout, 0.05);
    EXPECT_EQ(out.throttle, 0);
}

TEST(TernPolicy, SlowsAGuestDownThatTheLinkCannotFollowAndMeetsTheBudget) {
    Tern policy{{}};
    auto const out = run(policy, unbounded());
    EXPECT_EQ(out.what, What::stop_and_copy) << out.reason;
    EXPECT_LE(out.blackout, 0.05);
    EXPECT_GT(out.throttle, 0.5);
    EXPECT_LE(out.throttle, 0.95);
}

TEST(TernPolicy, CountsTheFixedCost) {
    std::uint32_t rounds_before = 0;
    for (double const fixed : {0.0, 0.049}) {
        Tern policy{{}};
        auto const out = run(policy, {.working_set = 16384, .writes = 10'000, .fixed = fixed});
        EXPECT_EQ(out.what, What::stop_and_copy);
        EXPECT_LE(out.blackout, 0.05);
        EXPECT_GT(out.rounds, rounds_before); // the less is left for pages, the more rounds it takes
        rounds_before = out.rounds;
    }
}

TEST(TernPolicy, DoesNotSlowAGuestDownInVain) {
    auto world = unbounded();
    world.fixed = 0.06; // more than the budget
    Tern policy{{}};
    auto const out = run(policy, world);
    EXPECT_EQ(out.what, What::stop_and_copy);
    EXPECT_EQ(out.throttle, 0);
    EXPECT_EQ(out.reason, "rounds do not help, and the fixed cost alone exceeds the budget");
}

TEST(TernPolicy, DoesAsItWasToldWhenTheGuestMayNotBeSlowedDown) {
    Tern gives_up{{.may_throttle = false}};
    EXPECT_EQ(run(gives_up, unbounded()).what, What::give_up);
    Tern forces{{.may_throttle = false, .last = Tern::Last::force}};
    EXPECT_EQ(run(forces, unbounded()).what, What::stop_and_copy);
}

TEST(TernPolicy, GivesUpWhenTheTimeIsUp) {
    Tern policy{{.timeout = 4}};
    auto const out = run(policy, unbounded());
    EXPECT_EQ(out.what, What::give_up);
    EXPECT_EQ(out.reason, "the time is up and the budget not met");
    EXPECT_LT(out.seconds, 10);
}

TEST(TernPolicy, EndsWithEveryGuestAndLink) {
    for (double bandwidth = 1e5; bandwidth < 1e11; bandwidth *= 3)
        for (double writes = 1; writes < 1e7; writes *= 5)
            for (double const set : {10.0, 1000.0, 65536.0}) {
                Tern policy{{.timeout = 0}};
                auto const out = run(policy, {.working_set = set, .writes = writes, .bandwidth = bandwidth});
                EXPECT_NE(out.what, What::next_round);
                EXPECT_LE(out.rounds, 50U);
                if (out.what == What::stop_and_copy) {
                    EXPECT_LE(out.blackout, 0.05) << bandwidth << " " << writes << " " << set << out.reason;
                }
            }
}

TEST(TernPolicy, TrustsNoLinkThatItDoesNotKnow) {
    Tern policy{{}};
    Observation seen;
    seen.dirty = 1;
    EXPECT_EQ(policy.decide(seen).what, What::next_round);
    seen.dirty = 0;
    EXPECT_EQ(policy.decide(seen).what, What::stop_and_copy);
}

} // namespace
