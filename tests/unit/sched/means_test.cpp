// Caps and reservations over simulated time.
#include <random>

#include "sched/policy.hpp"
#include "sched/scheduler.hpp"
#include "simulation.hpp"

namespace sched_test {
namespace {

using sched::Budget;
using sched::Reservation;

constexpr double kOnePercent = 0.01;
constexpr Reservation kThirtyPercent{.period = 10 * kMillisecond, .slice = 3 * kMillisecond};

TEST(Cap, IsWhatADomainGetsOfACpuThatNobodyElseWants) {
    for (std::uint16_t const cap : std::initializer_list<std::uint16_t>{1, 10, 30, 99}) {
        Budget budget;
        budget.set_cap(cap);
        Simulation machine{1};
        Task const& task = machine.add(kHog, sched::kDefaultWeight, 0, &budget);
        machine.run(2 * kSecond);
        EXPECT_NEAR(machine.share(task), cap / 100.0, kOnePercent);
    }
}

TEST(Cap, IsOfAllVcpusOfADomainTogether) {
    for (std::uint16_t const cap : std::initializer_list<std::uint16_t>{50, 120}) {
        Budget budget;
        budget.set_cap(cap);
        Simulation machine{2};
        Task const& one = machine.add(kHog, sched::kDefaultWeight, 0, &budget);
        Task const& other = machine.add(kHog, sched::kDefaultWeight, 1, &budget);
        machine.run(2 * kSecond);
        EXPECT_NEAR(machine.share(one) + machine.share(other), cap / 100.0, 2 * kOnePercent);
    }
}

TEST(Cap, LeavesTheRestToOthersAndStopsNobodyWhoStaysBelow) {
    Budget budget;
    budget.set_cap(20);
    Simulation machine{1};
    Task const& capped = machine.add(kHog, 4096, 0, &budget);
    Task const& other = machine.add(kHog);
    machine.run(2 * kSecond);
    EXPECT_NEAR(machine.share(capped), 0.2, kOnePercent);
    EXPECT_NEAR(machine.share(other), 0.8, kOnePercent);

    Simulation idle{1};
    Budget roomy;
    roomy.set_cap(50);
    Task const& sleeper =
        idle.add({.burst = kMillisecond, .sleep = 9 * kMillisecond}, sched::kDefaultWeight, 0, &roomy);
    idle.run(2 * kSecond);
    EXPECT_NEAR(idle.share(sleeper), 0.1, kOnePercent);
}

TEST(Cap, HoldsHoweverADomainSleepsAndYields) {
    for (Behaviour const behaviour : {Behaviour{.burst = 300 * kMicrosecond, .sleep = 10 * kMicrosecond},
                                      Behaviour{.burst = 70 * kMicrosecond, .sleep = 0}}) {
        Budget budget;
        budget.set_cap(25);
        Simulation machine{2};
        Task const& one = machine.add(behaviour, sched::kDefaultWeight, 0, &budget);
        Task const& other = machine.add(behaviour, sched::kDefaultWeight, 1, &budget);
        machine.add(kHog);
        machine.run(2 * kSecond);
        EXPECT_NEAR(machine.share(one) + machine.share(other), 0.25, 2 * kOnePercent);
    }
}

TEST(Cap, CanBeLiftedWhileItHolds) {
    Budget budget;
    budget.set_cap(1);
    Simulation machine{1};
    Task const& task = machine.add(kHog, sched::kDefaultWeight, 0, &budget);
    machine.run(kSecond);
    budget.set_cap(0);
    auto const before = machine.cpu_time(task);
    machine.run(kSecond);
    EXPECT_GT(machine.cpu_time(task) - before, 980 * kMillisecond);
}

TEST(Reservation, IsHadWhateverSixteenHungryNeighboursDo) {
    for (Behaviour const neighbours : {kHog, Behaviour{.burst = 150 * kMicrosecond, .sleep = 50 * kMicrosecond},
                                       Behaviour{.burst = 20 * kMicrosecond, .sleep = 0}}) {
        Simulation machine{1};
        Task& task = machine.add(kHog, sched::kLeastWeight);
        ASSERT_TRUE(machine.reserve(task, kThirtyPercent));
        for (int i = 0; i < 16; ++i)
            machine.add(neighbours, 4096);
        machine.run(2 * kSecond);
        EXPECT_GE(machine.share(task), 0.29);
        EXPECT_LE(machine.share(task), 0.31) << "and its weight is worth nothing beside theirs";
    }
}

TEST(Reservation, OfOneThatMostlySleepsIsHadWithinAMillisecond) {
    Simulation machine{1};
    Task& task = machine.add({.burst = 200 * kMicrosecond, .sleep = 7 * kMillisecond});
    ASSERT_TRUE(machine.reserve(task, {.period = 5 * kMillisecond, .slice = 500 * kMicrosecond}));
    for (int i = 0; i < 16; ++i)
        machine.add(kHog, 4096);
    machine.run(2 * kSecond);
    EXPECT_LT(task.longest_delay, kMillisecond);
    EXPECT_NEAR(machine.share(task), 0.2 / 7.2, 0.003);
}

TEST(Reservation, IsNoMoreThanItSaysHoweverOneSleeps) {
    for (std::uint64_t const sleep : {10 * kMicrosecond, kMillisecond, 4 * kMillisecond}) {
        Simulation machine{1};
        Task& task = machine.add({.burst = kMillisecond, .sleep = sleep}, sched::kLeastWeight);
        ASSERT_TRUE(machine.reserve(task, {.period = 10 * kMillisecond, .slice = kMillisecond}));
        machine.add(kHog, sched::kGreatestWeight);
        machine.run(2 * kSecond);
        EXPECT_LE(machine.share(task), 0.1 + kOnePercent) << sleep;
    }
}

TEST(Reservation, OfSeveralAreAllHadAndTheRestIsByWeight) {
    Simulation machine{1};
    Task& one = machine.add(kHog);
    Task& other = machine.add(kHog);
    Task& third = machine.add(kHog);
    ASSERT_TRUE(machine.reserve(one, {.period = 20 * kMillisecond, .slice = 8 * kMillisecond}));
    ASSERT_TRUE(machine.reserve(other, {.period = 7 * kMillisecond, .slice = 2800 * kMicrosecond}));
    EXPECT_FALSE(machine.reserve(third, {.period = 10 * kMillisecond, .slice = 2 * kMillisecond})) << "no room";
    machine.run(3 * kSecond);
    for (Task const* const task : {&one, &other})
        EXPECT_NEAR(machine.share(*task), 0.4 + 0.2 / 3, 2 * kOnePercent);
    EXPECT_NEAR(machine.share(third), 0.2 / 3, 2 * kOnePercent);
}

TEST(Reservation, GivenBackLeavesEqualSharesAtOnce) {
    Simulation machine{1};
    Task& task = machine.add(kHog);
    Task& other = machine.add(kHog);
    ASSERT_TRUE(machine.reserve(task, {.period = 10 * kMillisecond, .slice = 8 * kMillisecond}));
    machine.run(kSecond);
    ASSERT_TRUE(machine.reserve(task, {}));
    auto const before = machine.cpu_time(other);
    machine.run(kSecond);
    EXPECT_NEAR(static_cast<double>(machine.cpu_time(other) - before) / kSecond, 0.5, 2 * kOnePercent);
    EXPECT_TRUE(machine.reserve(other, {.period = 10 * kMillisecond, .slice = 9 * kMillisecond})) << "there is room";
}

TEST(Reservation, GoesWithItsTaskWhereItIsPinnedIfThereIsRoom) {
    Simulation machine{2};
    Task& task = machine.add(kHog);
    Task& full = machine.add_pinned(kHog, sched::kDefaultWeight, 1);
    machine.add(kHog);
    ASSERT_TRUE(machine.reserve(task, kThirtyPercent));
    ASSERT_TRUE(machine.reserve(full, {.period = 10 * kMillisecond, .slice = 8 * kMillisecond}));
    auto const refused = machine.scheduler.set_affinity(task.entity, only({1}), machine.now());
    EXPECT_EQ(refused.error(), base::Error::no_space);
    EXPECT_EQ(machine.scheduler.reservation(task.entity), kThirtyPercent) << "nothing has changed";
    ASSERT_TRUE(machine.reserve(full, {}));
    machine.pin(task, only({1}));
    machine.run(kSecond);
    EXPECT_EQ(task.entity.home(), CpuId{1});
    EXPECT_GE(machine.share(task), 0.29);
}

TEST(Reservation, MustBePossible) {
    Simulation machine{1};
    Task& task = machine.add(kHog);
    EXPECT_FALSE(machine.reserve(task, {.period = kMillisecond, .slice = 2 * kMillisecond}));
    EXPECT_FALSE(machine.reserve(task, {.period = 0, .slice = kMillisecond}));
    EXPECT_FALSE(machine.reserve(task, {.period = 10 * kMillisecond, .slice = sched::kLeastReserved - 1}));
    EXPECT_FALSE(machine.reserve(task, {.period = 2 * kSecond, .slice = kMillisecond}));
}

TEST(Means, NothingIsLostWhateverIsChangedWhileTasksRun) {
    for (unsigned seed = 0; seed < 20; ++seed) {
        Budget budgets[3];
        Simulation machine{3};
        std::mt19937 random{seed};
        for (std::uint32_t i = 0; i < 9; ++i)
            machine.add(i % 2 == 0 ? kHog : Behaviour{.burst = 400 * kMicrosecond, .sleep = i * kMillisecond / 3},
                        sched::kDefaultWeight, i % 3, &budgets[i % 3]);
        for (int step = 0; step < 300; ++step) {
            Task& task = *machine.tasks()[random() % 9];
            switch (random() % 5) {
            case 0: budgets[random() % 3].set_cap(static_cast<std::uint16_t>(random() % 4 * 40)); break;
            case 1: machine.reserve(task, {.period = 8 * kMillisecond, .slice = random() % 5 * kMillisecond}); break;
            case 2:
                if (!machine.scheduler.reservation(task.entity).any())
                    machine.pin(task, random() % 2 == 0 ? only({static_cast<std::uint32_t>(random() % 3)})
                                                        : sched::anywhere());
                break;
            case 3: machine.pause(task); break;
            case 4:
                if (task.pauses > 0)
                    machine.resume(task);
                break;
            }
            machine.run(random() % 4 * kMillisecond + 1);
        }
    }
}

} // namespace
} // namespace sched_test
