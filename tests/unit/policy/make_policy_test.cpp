#include "policy/make_policy.hpp"

#include <gtest/gtest.h>

namespace {

using namespace policy;

std::string error_of(std::string_view text) {
    auto const made = make_policy(text);
    EXPECT_EQ(made.policy == nullptr, !made.error.empty());
    return made.error;
}

TEST(PolicyText, NamesAPolicyAndItsSettings) {
    for (auto const* text : {"tern", "tern:", "xen", "clark", "tern:downtime=20ms", "xen:pages=100,rounds=10",
                             "clark:lowest=1Mbit/s,highest=2Gbit/s,step=10MB/s,left=1MiB",
                             "tern:downtime=1s,timeout=0s,rounds=3,throttle=no,most-throttle=0.5,last=force"})
        EXPECT_EQ(error_of(text), "") << text;
}

TEST(PolicyText, SettingsReachThePolicy) {
    Observation seen;
    seen.dirty = 70;
    EXPECT_EQ(make_policy("xen").policy->decide(seen).what, Decision::What::next_round);
    EXPECT_EQ(make_policy("xen:pages=71").policy->decide(seen).what, Decision::What::stop_and_copy);
    EXPECT_EQ(make_policy("xen:rounds=1").policy->decide(seen).what, Decision::What::stop_and_copy);
    EXPECT_DOUBLE_EQ(make_policy("clark:lowest=8Mbit/s").policy->first().rate, 1e6);
    seen.bandwidth = 70 * 4096; // one second of blackout
    Tern::Options goals;
    EXPECT_EQ(make_policy("tern", goals).policy->decide(seen).what, Decision::What::next_round);
    goals.downtime = 2;
    EXPECT_EQ(make_policy("tern", goals).policy->decide(seen).what, Decision::What::stop_and_copy);
    EXPECT_EQ(make_policy("tern:downtime=10ms", goals).policy->decide(seen).what, Decision::What::next_round);
}

TEST(PolicyText, ThatIsWrongIsAnsweredWithWhatWouldBeRight) {
    EXPECT_EQ(error_of("fast"), "there is no policy 'fast'; there are tern, xen and clark");
    EXPECT_EQ(error_of(""), "there is no policy ''; there are tern, xen and clark");
    EXPECT_EQ(error_of("xen:dirty=5"), "policy xen has no key 'dirty'; it has pages and rounds");
    EXPECT_EQ(error_of("xen:pages"), "policy xen: 'pages' is not key=value");
    EXPECT_EQ(error_of("xen:pages=few"), "policy xen: pages wants a number, not 'few'");
    EXPECT_EQ(error_of("xen:pages=1,pages=2"), "policy xen: pages is given twice");
    EXPECT_EQ(error_of("tern:downtime=50"), "policy tern: downtime wants a time such as 50ms or 2s, not '50'");
    EXPECT_EQ(error_of("tern:throttle=maybe"), "policy tern: throttle wants yes or no, not 'maybe'");
    EXPECT_EQ(error_of("tern:most-throttle=1"),
              "policy tern: most-throttle wants a share below 1, such as 0.95, not '1'");
    EXPECT_EQ(error_of("tern:last=stop"), "policy tern: last wants cancel or force, not 'stop'");
    EXPECT_NE(error_of("clark:step=5"), "");
    EXPECT_NE(error_of("clark:left=5Mbit/s"), "");
}

} // namespace
