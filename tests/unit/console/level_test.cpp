#include "console/level.hpp"

#include <gtest/gtest.h>

#include "console/rate_limit.hpp"

namespace {

using console::Level;
using console::parse_thresholds;
using console::RateLimit;
using console::Thresholds;
using console::UpTo;

TEST(Levels, AThresholdIncludesAllThatIsGraver) {
    EXPECT_FALSE(within(Level::error, UpTo::none));
    EXPECT_TRUE(within(Level::error, UpTo::error));
    EXPECT_FALSE(within(Level::warning, UpTo::error));
    EXPECT_TRUE(within(Level::warning, UpTo::info));
    EXPECT_TRUE(within(Level::debug, UpTo::debug));
}

TEST(Levels, ThresholdsAreReadAsXenSpellsThem) {
    EXPECT_EQ(parse_thresholds("warning"), (Thresholds{UpTo::warning, UpTo::warning}));
    EXPECT_EQ(parse_thresholds("all"), (Thresholds{UpTo::debug, UpTo::debug}));
    EXPECT_EQ(parse_thresholds("none/info"), (Thresholds{UpTo::none, UpTo::info}));
    EXPECT_EQ(parse_thresholds("error/debug"), (Thresholds{UpTo::error, UpTo::debug}));
}

TEST(Levels, WhatIsNoThresholdIsRefused) {
    for (auto const* const value : {"", "loud", "warning/", "/warning", "warning/loud", "error/info/debug", "Info"})
        EXPECT_EQ(parse_thresholds(value), std::nullopt) << value;
}

TEST(RateLimit, AdmitsABurstAndThenOneForEachInterval) {
    RateLimit limit;
    std::uint64_t const now = 1000 * RateLimit::kInterval;
    for (std::uint32_t i = 0; i < RateLimit::kBurst; ++i)
        EXPECT_TRUE(limit.ask(now).admitted);
    EXPECT_FALSE(limit.ask(now).admitted);
    EXPECT_FALSE(limit.ask(now + RateLimit::kInterval - 1).admitted);
    EXPECT_TRUE(limit.ask(now + RateLimit::kInterval).admitted);
    EXPECT_FALSE(limit.ask(now + RateLimit::kInterval).admitted);
}

TEST(RateLimit, SaysHowManyWereDroppedOnce) {
    RateLimit limit;
    while (limit.ask(0).admitted) {
    }
    EXPECT_FALSE(limit.ask(0).admitted);
    EXPECT_FALSE(limit.ask(0).admitted);
    EXPECT_EQ(limit.ask(RateLimit::kInterval).dropped, 3u);
    EXPECT_EQ(limit.ask(2 * RateLimit::kInterval).dropped, 0u);
}

TEST(RateLimit, SavesNoMoreThanABurst) {
    RateLimit limit;
    while (limit.ask(0).admitted) {
    }
    std::uint64_t const much_later = 1'000'000 * RateLimit::kInterval;
    std::uint32_t admitted = 0;
    while (limit.ask(much_later).admitted)
        ++admitted;
    EXPECT_EQ(admitted, RateLimit::kBurst);
}

TEST(RateLimit, ATimeThatGoesBackAdmitsNothingMore) {
    RateLimit limit;
    while (limit.ask(10 * RateLimit::kInterval).admitted) {
    }
    EXPECT_FALSE(limit.ask(5 * RateLimit::kInterval).admitted);
    EXPECT_TRUE(limit.ask(11 * RateLimit::kInterval).admitted);
}

} // namespace
