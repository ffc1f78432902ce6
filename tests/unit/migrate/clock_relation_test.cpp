#include "migrate/clock_relation.hpp"

#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

namespace {

using migrate::ClockRelation;

TEST(ClockRelation, IsNeverWrongByMoreThanItSays) {
    std::mt19937_64 random{1};
    for (unsigned round = 0; round < 200; ++round) {
        auto const offset = static_cast<std::int64_t>(random() % 2'000'000'000) - 1'000'000'000;
        ClockRelation relation;
        std::uint64_t now = 5'000'000'000;
        for (unsigned i = 0; i < 10; ++i) {
            auto const there = random() % 1'000'000; // trips of any shape
            auto const back = random() % 1'000'000;
            relation.observe(now, now + there + static_cast<std::uint64_t>(offset), now + there + back);
            now += there + back + random() % 1'000'000'000;
            EXPECT_LE(std::abs(relation.there_at(now) - static_cast<std::int64_t>(now) - offset),
                      relation.error_at(now));
            EXPECT_EQ(relation.here_at(static_cast<std::uint64_t>(relation.there_at(now))),
                      static_cast<std::int64_t>(now));
        }
    }
}

TEST(ClockRelation, BelievesTheQuickestAnswerUntilItIsOld) {
    ClockRelation relation;
    EXPECT_FALSE(relation.known());
    relation.observe(1000, 500, 2000);
    EXPECT_EQ(relation.error_at(2000), 500);
    relation.observe(3000, 9999, 9000); // slower
    EXPECT_EQ(relation.there_at(0), -1000);
    relation.observe(10'000'000'000, 20'000'000'000, 10'000'005'000); // slower still, but ten seconds later
    EXPECT_EQ(relation.error_at(10'000'005'000), 2500);
}

TEST(ClockRelation, LearnsNothingFromAnAnswerBeforeItsQuestion) {
    ClockRelation relation;
    relation.observe(2000, 1, 1000);
    EXPECT_FALSE(relation.known());
}

} // namespace
