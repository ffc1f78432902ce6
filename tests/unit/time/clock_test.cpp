#include "timing/system_clock.hpp"

#include <gtest/gtest.h>

#include <random>

#include "timing/scale.hpp"

namespace {

using timing::kNever;
using timing::Scale;
using timing::SystemClock;

constexpr std::uint64_t kRates[] = {1'193,     100'000,   999'999,   1'000'000, 1'000'001, 2'000'000,
                                    2'399'998, 2'500'000, 3'700'123, 5'800'000, 10'000'000};

TEST(Scale, IsWithinAPartInTwoBillionOfTheRatio) {
    for (auto const khz : kRates) {
        auto const scale = Scale::ratio(1'000'000, khz);
        EXPECT_GE(scale.multiplier, 1u << 31) << khz;
        for (std::uint64_t const ticks : {std::uint64_t{1} << 32, std::uint64_t{1} << 40}) {
            auto const exact = static_cast<double>(ticks) * 1e6 / static_cast<double>(khz);
            auto const rounding = 1 + 1e6 / static_cast<double>(khz); // of the result, and of the shift
            EXPECT_NEAR(static_cast<double>(scale.apply(ticks)), exact, exact * 0x1p-31 + rounding) << khz;
        }
    }
}

TEST(Scale, KnowsWholeRatiosExactly) {
    EXPECT_EQ(Scale::ratio(1, 1).apply(123'456'789), 123'456'789u);
    EXPECT_EQ(Scale::ratio(1, 4).apply(400), 100u);
    EXPECT_EQ(Scale::ratio(8, 1).apply(400), 3200u);
}

TEST(Scale, DoesNotOverflowForYearsOfTicks) {
    constexpr std::uint64_t kTenYearsAt3GHz = 946'080'000'000'000'000;
    auto const ns = Scale::ratio(1'000'000, 3'000'000).apply(kTenYearsAt3GHz);
    EXPECT_NEAR(static_cast<double>(ns) / 315'360'000e9, 1.0, 1e-9);
}

TEST(SystemClock, StartsAtZeroAndCountsNanoseconds) {
    SystemClock const clock{5'000, 2'000'000};
    EXPECT_EQ(clock.now(5'000), 0u);
    EXPECT_EQ(clock.now(5'000 + 2'000'000'000), 1'000'000'000u);
}

TEST(SystemClock, TakesATscFromBeforeTheStartForTheStart) {
    SystemClock const clock{5'000, 2'000'000};
    EXPECT_EQ(clock.now(4'999), 0u);
    EXPECT_EQ(clock.now(0), 0u);
}

TEST(SystemClock, NeverGoesBack) {
    std::mt19937_64 random{7};
    for (auto const khz : kRates) {
        SystemClock const clock{1'000, khz};
        std::uint64_t tsc = 1'000;
        std::uint64_t last = 0;
        for (int i = 0; i < 10'000; ++i) {
            tsc += random() % (i % 2 == 0 ? 3 : 1'000'000'000);
            auto const now = clock.now(tsc);
            ASSERT_GE(now, last) << khz;
            last = now;
        }
    }
}

TEST(SystemClock, ATimerSetForATimeNeverFiresBeforeItAndHardlyAfter) {
    std::mt19937_64 random{11};
    for (auto const khz : kRates) {
        SystemClock const clock{123'456, khz};
        auto const tick_ns = 1'000'000 / khz + 1;
        for (int i = 0; i < 10'000; ++i) {
            auto const ns = random() >> (4 + random() % 60);
            auto const at = clock.now(clock.tsc_at(ns));
            ASSERT_GE(at, ns) << khz;
            ASSERT_LE(at - ns, 4 * tick_ns) << khz << " " << ns;
        }
    }
}

TEST(SystemClock, ATimeThatNeverComesHasNoTsc) {
    SystemClock const clock{0, 3'000'000};
    EXPECT_EQ(clock.tsc_at(kNever), kNever);
    EXPECT_EQ(clock.tsc_at(kNever - 1), kNever); // 18 * 10^18 ns are more ticks than there are numbers
}

} // namespace
