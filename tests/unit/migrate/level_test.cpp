/// The governor against a processor and a link that are formulas.
#include "migrate/level.hpp"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

namespace {

using migrate::LevelGovernor;

/// Octets a second that each level packs, and how tight.
struct World {
    std::array<double, 6> speed{5e9, 1.5e9, 1e9, 5e8, 2e8, 5e7};
    std::array<double, 6> ratio{1, 1.6, 2, 2.6, 2.9, 3.1};
    double link = 1e9;

    [[nodiscard]] double moves(std::size_t level) const { return std::min(speed[level], link * ratio[level]); }
    [[nodiscard]] std::size_t best() const {
        std::size_t best = 0;
        for (std::size_t level = 0; level < speed.size(); ++level)
            best = moves(level) > moves(best) ? level : best;
        return best;
    }
};

std::size_t index_of(int level) {
    auto const& levels = LevelGovernor::kLevels;
    return static_cast<std::size_t>(std::find(levels.begin(), levels.end(), level) - levels.begin());
}

/// Returns the octets a second that were moved on the average.
double run(LevelGovernor& governor, World const& world, unsigned samples = 200) {
    double seconds = 0;
    for (unsigned i = 0; i < samples; ++i) {
        auto const level = index_of(governor.level());
        governor.observe({1e6, 1e6 / world.ratio[level], 1e6 / world.speed[level], world.link});
        seconds += 1e6 / world.moves(level);
    }
    return samples * 1e6 / seconds;
}

TEST(LevelGovernor, MovesNearlyAsMuchAsTheBestLevelWouldWhateverTheLink) {
    for (double link = 1e6; link < 1e11; link *= 1.7) {
        World world;
        world.link = link;
        LevelGovernor governor;
        run(governor, world, 20);
        EXPECT_GE(run(governor, world), 0.9 * world.moves(world.best())) << link;
    }
}

TEST(LevelGovernor, SendsRawWhenTheLinkIsFasterThanTheCodec) {
    World world;
    world.link = 1e10;
    LevelGovernor governor;
    run(governor, world);
    EXPECT_EQ(governor.level(), 0);
}

TEST(LevelGovernor, FollowsALinkThatChanges) {
    World world;
    world.link = 1e10;
    LevelGovernor governor;
    run(governor, world);
    world.link = 1e7;
    run(governor, world);
    EXPECT_GE(governor.level(), 3);
    world.link = 1e10;
    run(governor, world);
    EXPECT_EQ(governor.level(), 0);
}

TEST(LevelGovernor, DoesNotPackWhatDoesNotBecomeSmaller) {
    World world;
    world.ratio.fill(1);
    world.link = 4e8;
    LevelGovernor governor;
    run(governor, world);
    EXPECT_LE(world.moves(index_of(governor.level())), world.link);
    EXPECT_GE(world.speed[index_of(governor.level())], world.link); // the codec does not hold the link up
}

TEST(LevelGovernor, LearnsNothingFromNothing) {
    LevelGovernor governor;
    auto const before = governor.level();
    governor.observe({0, 0, 0, 0});
    governor.observe({1e6, 0, 1, 1});
    governor.observe({1e6, 1e6, 0, 1});
    EXPECT_EQ(governor.level(), before);
}

} // namespace
