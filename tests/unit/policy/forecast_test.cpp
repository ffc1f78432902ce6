/// A guest found again from two looks at what it writes.
#include "policy/forecast.hpp"

#include <gtest/gtest.h>

namespace {

using namespace policy;

constexpr double kFrames = 65536;

Writer seen_twice(Writer const& guest) {
    return writer_of(written_in(guest, 0.2), 0.2, written_in(guest, 1), 1, kFrames);
}

TEST(Forecast, FindsTheWorkingSetOfAGuestThatWritesItAgainAndAgain) {
    for (double const set : {100.0, 2000.0, 16384.0}) {
        Writer const guest{.working_set = set, .writes = 2 * set};
        auto const found = seen_twice(guest);
        EXPECT_NEAR(found.working_set, set, set / 100);
        EXPECT_NEAR(found.writes, guest.writes, guest.writes / 100);
    }
}

TEST(Forecast, TakesAllMemoryForTheSetOfAGuestThatNeverWritesAPageTwice) {
    auto const found = writer_of(200, 0.2, 1000, 1, kFrames);
    EXPECT_NEAR(written_in(found, 1), 1000, 20);
    EXPECT_GT(found.working_set, kFrames / 2);
}

TEST(Forecast, FindsNothingInAGuestThatWritesNothing) {
    EXPECT_EQ(written_in(writer_of(0, 0.2, 0, 1, kFrames), 10), 0);
}

TEST(Forecast, StaysWithinReasonWhenTheTwoLooksDoNotFit) {
    for (auto const& [few, many] : {std::pair{0.0, 50.0}, {50.0, 0.0}, {100.0, 60.0}, {70000.0, 70000.0}}) {
        auto const found = writer_of(few, 0.2, many, 1, kFrames);
        EXPECT_GE(found.working_set, 0);
        EXPECT_LE(found.working_set, 70000);
        EXPECT_GE(written_in(found, 1), 0);
        EXPECT_LE(written_in(found, 1), 70000 * 1.01);
    }
    EXPECT_NEAR(written_in(writer_of(0, 0.2, 50, 1, kFrames), 1), 50, 1);
}

} // namespace
