#include "migrate/blackout.hpp"

#include <set>

#include <gtest/gtest.h>

namespace {

using migrate::Mark;
using migrate::parts_of;

constexpr std::uint64_t kMs = 1'000'000;

double sum(std::vector<migrate::Part> const& parts) {
    double all = 0;
    for (auto const& part : parts)
        all += part.ms;
    return all;
}

TEST(Blackout, PartsFollowEachOtherWhateverTheOrderOfTheMoments) {
    Mark const marks[] = {{"runs", 90 * kMs}, {"asked", 10 * kMs}, {"sent", 70 * kMs}, {"stopped", 30 * kMs}};
    auto const parts = parts_of(marks);
    ASSERT_EQ(parts.size(), 3);
    EXPECT_EQ(parts[0].name, "stop_ms");
    EXPECT_DOUBLE_EQ(parts[0].ms, 20);
    EXPECT_EQ(parts[1].name, "last_pages_ms");
    EXPECT_DOUBLE_EQ(parts[1].ms, 40);
    EXPECT_EQ(parts[2].name, "resume_ms");
    EXPECT_DOUBLE_EQ(parts[2].ms, 20);
}

TEST(Blackout, AMomentOfTheOtherClockThatSeemsTooEarlyLeavesTheSumAsItIs) {
    Mark const marks[] = {{"asked", 10 * kMs}, {"sent", 70 * kMs}, {"whole", 69 * kMs}, {"adopted", 80 * kMs}};
    auto const parts = parts_of(marks);
    EXPECT_EQ(parts.size(), 2);
    EXPECT_DOUBLE_EQ(sum(parts), 70);
}

TEST(Blackout, WhatAPeerCallsByAnotherNameIsNoPart) {
    Mark const marks[] = {{"asked", 10 * kMs}, {"lunch", 12 * kMs}, {"runs", 15 * kMs}};
    EXPECT_EQ(parts_of(marks).size(), 1);
}

TEST(Blackout, HasNoPartsIfNobodyKnowsWhenItBegan) {
    Mark const marks[] = {{"runs", 15 * kMs}};
    EXPECT_TRUE(parts_of(marks).empty());
}

TEST(Blackout, AGuestsClockStoodStillFromWhenItStoppedItUntilItGoesOn) {
    Mark const marks[] = {{"asked", 10 * kMs},
                          {"clock_stopped", 30 * kMs},
                          {"stopped", 33 * kMs},
                          {"runs", 90 * kMs},
                          {"clock_goes", 114 * kMs}};
    EXPECT_DOUBLE_EQ(migrate::clock_stood(marks).value(), 84);
    EXPECT_EQ(migrate::clock_stood(std::span{marks}.first(4)), std::nullopt) << "nobody noted when it went on";
    EXPECT_DOUBLE_EQ(sum(parts_of(marks)), 104);
}

TEST(Blackout, EachMomentEndsAPartOfItsOwn) {
    std::set<std::string_view> marks, parts;
    for (auto const& ending : migrate::endings()) {
        EXPECT_TRUE(marks.insert(ending.mark).second && parts.insert(ending.part).second) << ending.mark;
        EXPECT_FALSE(ending.words.empty());
    }
}

} // namespace
