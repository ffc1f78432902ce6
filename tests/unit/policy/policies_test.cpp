/// The policies against guests that are formulas: a working set of W pages, written at a rate, beside a link.
#include "policy/clark.hpp"
#include "policy/forecast.hpp"
#include "policy/tern.hpp"
#include "policy/xen.hpp"

#include <cmath>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace policy;
using What = Decision::What;

World idle() { return {}; }
World busy() { return {.guest = {.working_set = 16384, .writes = 1000}}; }         // 4 MB/s into 64 MiB
World unbounded() { return {.guest = {.working_set = 16384, .writes = 100'000}}; } // four times the link

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
        EXPECT_EQ(forecast(policy, world).what, What::stop_and_copy);
    }
}

TEST(TernPolicy, StopsAnIdleGuestAtOnce) {
    Tern policy{{}};
    auto const out = forecast(policy, idle());
    EXPECT_EQ(out.what, What::stop_and_copy);
    EXPECT_EQ(out.rounds, 1U);
}

TEST(TernPolicy, MeetsTheBudgetWithoutSlowingAGuestDownThatTheLinkCanFollow) {
    Tern policy{{}};
    auto const out = forecast(policy, busy());
    EXPECT_EQ(out.what, What::stop_and_copy);
    EXPECT_LE(out.blackout, 0.05);
    EXPECT_EQ(out.throttle, 0);
}

TEST(TernPolicy, SlowsAGuestDownThatTheLinkCannotFollowAndMeetsTheBudget) {
    Tern policy{{}};
    auto const out = forecast(policy, unbounded());
    EXPECT_EQ(out.what, What::stop_and_copy) << out.reason;
    EXPECT_LE(out.blackout, 0.05);
    EXPECT_GT(out.throttle, 0.5);
    EXPECT_LE(out.throttle, 0.95);
}

TEST(TernPolicy, CountsTheFixedCost) {
    std::uint32_t rounds_before = 0;
    for (double const fixed : {0.0, 0.049}) {
        Tern policy{{}};
        auto const out = forecast(policy, {.guest = {.working_set = 16384, .writes = 10'000}, .fixed = fixed});
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
    auto const out = forecast(policy, world);
    EXPECT_EQ(out.what, What::stop_and_copy);
    EXPECT_EQ(out.throttle, 0);
    EXPECT_EQ(out.reason, "rounds do not help, and the fixed cost alone exceeds the budget");
}

TEST(TernPolicy, DoesAsItWasToldWhenTheGuestMayNotBeSlowedDown) {
    Tern gives_up{{.may_throttle = false}};
    EXPECT_EQ(forecast(gives_up, unbounded()).what, What::give_up);
    Tern forces{{.may_throttle = false, .last = Tern::Last::force}};
    EXPECT_EQ(forecast(forces, unbounded()).what, What::stop_and_copy);
}

TEST(TernPolicy, GivesUpWhenTheTimeIsUp) {
    Tern policy{{.timeout = 4}};
    auto const out = forecast(policy, unbounded());
    EXPECT_EQ(out.what, What::give_up);
    EXPECT_EQ(out.reason, "the time is up and the budget not met");
    EXPECT_LT(out.seconds, 10);
}

TEST(TernPolicy, EndsWithEveryGuestAndLink) {
    for (double bandwidth = 1e5; bandwidth < 1e11; bandwidth *= 3)
        for (double writes = 1; writes < 1e7; writes *= 5)
            for (double const set : {10.0, 1000.0, 65536.0}) {
                Tern policy{{.timeout = 0}};
                auto const out =
                    forecast(policy, {.guest = {.working_set = set, .writes = writes}, .bandwidth = bandwidth});
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
