#include "crew/crew.hpp"

#include <atomic>
#include <barrier>

#include <gtest/gtest.h>

namespace {

using crew::Crew;
using outcome::fail;
using outcome::Kind;
using outcome::Result;

TEST(Crew, HasEveryMemberDoItsShareEachTime) {
    Crew crew{4};
    std::vector<unsigned> shares(4);
    for (unsigned times = 1; times <= 100; ++times) {
        EXPECT_TRUE(crew.all([&](unsigned member) -> Result<void> {
            ++shares[member];
            return {};
        }));
        EXPECT_EQ(shares, std::vector<unsigned>(4, times));
    }
}

TEST(Crew, WorksAtTheSameTime) {
    Crew crew{3};
    std::barrier together{3}; // that nobody passes before all have come
    EXPECT_TRUE(crew.all([&](unsigned) -> Result<void> {
        together.arrive_and_wait();
        return {};
    }));
}

TEST(Crew, TellsTheFirstFailureWhenAllAreDone) {
    Crew crew{4};
    std::atomic<unsigned> done{0};
    auto const some_fail = crew.all([&](unsigned member) -> Result<void> {
        ++done;
        if (member >= 2)
            return fail(Kind::failed, std::to_string(member));
        return {};
    });
    ASSERT_FALSE(some_fail);
    EXPECT_EQ(some_fail.error().message, "2");
    EXPECT_EQ(done, 4U);
    EXPECT_TRUE(crew.all([](unsigned) -> Result<void> { return {}; })); // and forgets it
}

TEST(Crew, OfOneIsWhoCalls) {
    Crew crew{1};
    auto const caller = std::this_thread::get_id();
    EXPECT_TRUE(crew.all([&](unsigned member) -> Result<void> {
        EXPECT_EQ(member, 0U);
        EXPECT_EQ(std::this_thread::get_id(), caller);
        return {};
    }));
}

} // namespace
