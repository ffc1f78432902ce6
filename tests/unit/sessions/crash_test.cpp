/// Both ends together, and everything that can break between any two events: never two running, never none.
#include "unit/sessions/two_hosts.hpp"

#include <functional>

namespace {

using test::Guest;
using test::Host;
using test::World;
using namespace migrate;

constexpr unsigned kOrders = 2; ///< of events; enough that each fault meets each state

/// One of the hosts has it, running; the other has nothing left; nobody remembers anything.
void expect_one_whole_guest(World const& world, std::string const& when) {
    auto const& source = world.source;
    auto const& destination = world.destination;
    EXPECT_NE(source.guest == Guest::running, destination.guest == Guest::running) << when;
    EXPECT_TRUE(source.guest == Guest::absent || destination.guest == Guest::absent) << when;
    EXPECT_EQ(source.disk, Journaled::nothing) << when;
    EXPECT_EQ(destination.disk, Journaled::nothing) << when;
    EXPECT_TRUE(world.over()) << when;
}

TEST(Handover, MovesTheGuestIfNothingBreaks) {
    for (unsigned seed = 0; seed < 20; ++seed) {
        std::mt19937 random{seed};
        World world;
        world.settle(&random);
        expect_one_whole_guest(world, std::to_string(seed));
        EXPECT_EQ(world.destination.guest, Guest::running);
        EXPECT_EQ(world.source.outcome, Outcome::moved);
        EXPECT_EQ(world.destination.outcome, Outcome::moved);
    }
}

unsigned steps_without_faults(unsigned seed) {
    std::mt19937 random{seed};
    World world;
    world.settle(&random);
    return world.steps;
}

/// For some orders of events: @p breaks something at each step, once, and everything settles.
void break_at_every_step(std::function<void(World&)> const& breaks,
                         std::function<void(World const&, std::string const&)> const& expect = expect_one_whole_guest) {
    unsigned moved = 0;
    unsigned stayed = 0;
    for (unsigned seed = 0; seed < kOrders; ++seed)
        for (unsigned at = 0; at <= steps_without_faults(seed); ++at) {
            std::mt19937 random{seed};
            World world;
            while (world.steps < at && world.step(random())) {
            }
            breaks(world);
            world.settle(&random);
            expect(world, "seed " + std::to_string(seed) + ", step " + std::to_string(at));
            (world.destination.guest == Guest::running ? moved : stayed) += 1;
            if (testing::Test::HasFailure())
                return;
        }
    EXPECT_GT(moved, 0U);  // it broke after commit,
    EXPECT_GT(stayed, 0U); // and before
}

TEST(Handover, SurvivesACutWireAtEveryStep) {
    break_at_every_step([](World& world) { world.cut(); });
}

TEST(Handover, SurvivesAKilledSourceDaemonAtEveryStep) {
    for (std::size_t const done : {0U, 1U, 9U})
        break_at_every_step([done](World& world) {
            world.kill(world.source, done);
            world.start(world.source);
        });
}

TEST(Handover, SurvivesAKilledDestinationDaemonAtEveryStep) {
    for (std::size_t const done : {0U, 1U, 9U})
        break_at_every_step([done](World& world) {
            world.kill(world.destination, done);
            world.start(world.destination);
        });
}

TEST(Handover, SurvivesBothDaemonsKilledAtEveryStep) {
    for (std::size_t const done : {0U, 1U})
        break_at_every_step([done](World& world) {
            world.kill(world.source, done);
            world.kill(world.destination, 1 - done);
            world.start(world.destination);
            world.start(world.source);
        });
}

TEST(Handover, SurvivesADaemonThatStaysAwayForAWhile) {
    for (bool const at_source : {true, false})
        break_at_every_step([at_source](World& world) {
            auto& host = at_source ? world.source : world.destination;
            world.kill(host, 0);
            for (unsigned i = 0; i < 50 && world.step(0); ++i) {
            }
            EXPECT_FALSE(host.daemon);
            world.start(host);
        });
}

TEST(Handover, IsNeverDoubledWhateverBreaksInWhateverOrder) {
    unsigned moved = 0;
    for (unsigned seed = 0; seed < 300; ++seed) {
        std::mt19937 random{seed};
        World world;
        auto const faults = 1 + random() % 6;
        for (unsigned fault = 0; fault < faults; ++fault) {
            for (auto steps = random() % 30; steps > 0 && world.step(random()); --steps) {
            }
            auto& host = random() % 2 == 0 ? world.source : world.destination;
            switch (random() % 4) {
            case 0: world.cut(); break;
            case 1:
                if (host.daemon)
                    world.kill(host, random() % 4);
                break;
            case 2:
                if (!host.daemon)
                    world.start(host);
                break;
            default: world.give(host, event::Cancel{Reason::user, "cancelled"});
            }
        }
        for (auto* host : {&world.source, &world.destination})
            if (!host->daemon)
                world.start(*host);
        world.settle(&random);
        expect_one_whole_guest(world, std::to_string(seed));
        moved += world.destination.guest == Guest::running ? 1 : 0;
        if (HasFailure())
            return;
    }
    EXPECT_GT(moved, 30U);
    EXPECT_LT(moved, 270U);
}

TEST(Handover, StaysWholeIfTheGuestCannotBeRunAtTheDestination) {
    World world;
    world.fails_to_run = true;
    world.settle();
    expect_one_whole_guest(world, "");
    EXPECT_EQ(world.source.guest, Guest::running);
    EXPECT_EQ(world.source.outcome, Outcome::stayed);
    EXPECT_EQ(world.source.reason, Reason::hypervisor);
    EXPECT_FALSE(world.destination.ran);
}

TEST(Handover, SurvivesADestinationThatLosesItsPowerAtEveryStep) {
    break_at_every_step(
        [](World& world) {
            world.cut_power(world.destination, 0);
            world.start(world.destination);
        },
        [](World const& world, std::string const& when) {
            // Gone with the host it ran on, or might have run on: a person decides whether the copy may run.
            bool const was_given = world.destination.outcome == Outcome::needs_attention || world.destination.ran;
            if (!was_given)
                return expect_one_whole_guest(world, when);
            EXPECT_NE(world.source.guest, Guest::running) << when;
        });
}

TEST(Handover, SurvivesASourceThatLosesItsPowerAtEveryStep) {
    break_at_every_step(
        [](World& world) {
            world.cut_power(world.source, 0);
            world.start(world.source);
        },
        [](World const& world, std::string const& when) {
            // It runs at the destination, if that had all of it, or is gone with the host that it was on.
            EXPECT_EQ(world.source.guest, Guest::absent) << when;
            EXPECT_TRUE(world.destination.guest == Guest::running || world.destination.guest == Guest::absent) << when;
            EXPECT_EQ(world.source.disk, Journaled::nothing) << when;
            EXPECT_EQ(world.destination.disk, Journaled::nothing) << when;
        });
}

TEST(Handover, GivesTheGuestToTheDestinationIfThatIsTheOnlyOneLeftThatHasIt) {
    unsigned rescued = 0;
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random{seed};
        World world;
        auto const only_there = [&] {
            return world.destination.disk == Journaled::verified && world.source.disk == Journaled::moving;
        };
        while (!only_there() && !world.over())
            world.step(random());
        if (world.over())
            continue; // commit was written first
        ++rescued;
        world.cut_power(world.source, 0);
        world.start(world.source);
        world.settle(&random);
        expect_one_whole_guest(world, std::to_string(seed));
        EXPECT_EQ(world.destination.guest, Guest::running) << seed;
    }
    EXPECT_GT(rescued, 5U);
}

TEST(Handover, LeavesWhatNobodyCanKnowToAPerson) {
    for (bool const at_source : {true, false}) {
        World world;
        while (world.destination.disk != Journaled::committed)
            ASSERT_TRUE(world.step(0));
        world.cut_power(world.destination, 0); // may have run, for all that anybody knows
        world.start(world.destination);
        world.settle(nullptr, 100);
        EXPECT_EQ(world.destination.outcome, Outcome::needs_attention);
        EXPECT_EQ(world.source.guest, Guest::paused);
        ASSERT_TRUE(world.source.outgoing);
        world.give(at_source ? world.source : world.destination, event::Resolve{at_source}); // it did not
        world.settle();
        EXPECT_EQ(world.source.guest, Guest::running);
        EXPECT_EQ(world.destination.guest, Guest::absent);
        EXPECT_EQ(world.source.disk, Journaled::nothing);
    }
}

TEST(Handover, LetsAPersonTakeTheGuestWhenItsSourceIsGoneForGood) {
    World world;
    while (world.destination.guest != Guest::paused) // the destination is the faster one: it has not heard Commit
        ASSERT_TRUE(world.step(world.choices() - 1));
    world.cut_power(world.source, 0);
    world.settle(nullptr, 100);
    EXPECT_EQ(world.destination.guest, Guest::paused);
    world.give(world.destination, event::Resolve{true});
    world.settle(nullptr, 100);
    EXPECT_EQ(world.destination.guest, Guest::running);
}

} // namespace
