// Shares over simulated time: by weight, whatever anybody does.
#include "sched/scheduler.hpp"

#include <random>

#include "simulation.hpp"

namespace sched_test {
namespace {

constexpr double kFewPercent = 0.03;

TEST(Fairness, EqualTasksGetEqualSharesOfACpu) {
    Simulation machine{1};
    for (int i = 0; i < 5; ++i)
        machine.add(kHog);
    machine.run(2 * kSecond);
    for (auto const& task : machine.tasks())
        EXPECT_NEAR(machine.share(*task), 0.2, 0.2 * kFewPercent);
}

TEST(Fairness, SharesOfACpuAreByWeight) {
    Simulation machine{1};
    std::uint32_t const weights[] = {128, 256, 512, 1024};
    for (auto const weight : weights)
        machine.add(kHog, weight);
    machine.run(4 * kSecond);
    for (std::size_t i = 0; i < 4; ++i) {
        auto const fair = weights[i] / 1920.0;
        EXPECT_NEAR(machine.share(*machine.tasks()[i]), fair, fair * kFewPercent) << weights[i];
    }
}

TEST(Fairness, ExtremeWeightsGetTheirSharesAndTheLeastIsNotStarved) {
    Simulation machine{1};
    Task& least = machine.add(kHog, sched::kLeastWeight);
    Task& most = machine.add(kHog, sched::kGreatestWeight);
    machine.run(300 * kSecond);
    EXPECT_GT(machine.cpu_time(least), kMillisecond);
    EXPECT_GT(machine.share(most), 0.999);
}

TEST(Fairness, ThreeEqualTasksOnTwoCpusGetTwoThirdsEach) {
    Simulation machine{2};
    for (int i = 0; i < 3; ++i)
        machine.add(kHog);
    machine.run(3 * kSecond);
    for (auto const& task : machine.tasks())
        EXPECT_NEAR(machine.share(*task), 2.0 / 3, 2.0 / 3 * kFewPercent);
}

TEST(Fairness, SharesOfSeveralCpusAreByWeightWhereverTheTasksBegan) {
    for (std::uint32_t const cpus : {2u, 4u, 8u}) {
        Simulation machine{cpus};
        std::mt19937 random{cpus};
        std::uint32_t total = 0;
        std::vector<std::uint32_t> weights;
        for (std::uint32_t i = 0; i < 6 * cpus; ++i) {
            weights.push_back(128u << random() % 3);
            total += weights.back();
            machine.add(kHog, weights.back(), i % 3 % cpus);
        }
        machine.run(5 * kSecond);
        for (std::size_t i = 0; i < weights.size(); ++i) {
            auto const fair = static_cast<double>(weights[i]) * cpus / total;
            EXPECT_NEAR(machine.share(*machine.tasks()[i]), fair, fair * 2 * kFewPercent) << cpus << " CPUs";
        }
    }
}

TEST(Fairness, AWeightForMoreThanACpuGetsACpuAndTheOthersShareTheRestByWeight) {
    Simulation machine{2};
    Task& heavy = machine.add(kHog, 8192);
    Task& one = machine.add(kHog, 256);
    Task& two = machine.add(kHog, 512);
    machine.run(5 * kSecond);
    EXPECT_GT(machine.share(heavy), 0.95);
    EXPECT_NEAR(machine.share(one), 1.0 / 3, 0.04);
    EXPECT_NEAR(machine.share(two), 2.0 / 3, 0.04);
}

TEST(Fairness, SharesByWeightHoldWhereALonelyCpuIsFarAhead) {
    Simulation machine{2};
    machine.add_pinned(kHog, 256, 0);
    Task& one = machine.add_pinned(kHog, 256, 1);
    Task& three = machine.add_pinned(kHog, 768, 1);
    machine.run(5 * kSecond);
    EXPECT_NEAR(machine.share(one), 0.25, 0.25 * kFewPercent);
    EXPECT_NEAR(machine.share(three), 0.75, 0.75 * kFewPercent);
}

/// Two CPUs whose virtual times have drifted far apart: 16 to 1 for five seconds. And one that has slept meanwhile on
/// the slow one, and is a hog from then on.
struct Drifted {
    Drifted() {
        sleeper.left = kMillisecond;
        machine.run(5 * kSecond - kMillisecond);
        machine.pin(sleeper, sched::anywhere());
    }
    Simulation machine{2};
    Task& fast = machine.add_pinned(kHog, 16, 0);
    Task& slow = machine.add_pinned(kHog, 256, 1);
    Task& sleeper = machine.add_pinned({.burst = kForever, .sleep = 5 * kSecond}, 256, 1);
};

TEST(Fairness, WhoComesFromASlowQueueDelaysOthersByTheWindowAtMost) {
    Drifted drifted;
    auto& machine = drifted.machine;
    machine.run(50 * kMillisecond); // the sleeper wakes, and is taken over
    auto const before = machine.cpu_time(drifted.fast);
    machine.run(3 * sched::kWindow);
    EXPECT_GT(machine.cpu_time(drifted.fast), before);
}

TEST(Fairness, WhoComesFromAFastQueueGetsItsShareOfASlowOne) {
    Drifted drifted;
    auto& machine = drifted.machine;
    machine.pin(drifted.sleeper, only({0}));
    auto const before = machine.cpu_time(drifted.fast);
    machine.pin(drifted.fast, only({1}));
    machine.run(2 * kSecond);
    EXPECT_GE(machine.cpu_time(drifted.fast) - before, 2 * kSecond / 17 * 9 / 10);
}

TEST(Fairness, WhoWakesOnADesertedCpuHasNoSavingsEither) {
    Simulation machine{2};
    machine.add_pinned(kHog, 256, 0);
    Task& moved = machine.add_pinned(kHog, 256, 0);
    Task& sleeper = machine.add({.burst = kForever, .sleep = 5 * kSecond}, 256, 1);
    sleeper.left = kMillisecond;
    machine.run(5 * kSecond + 2 * kMillisecond);
    ASSERT_EQ(sleeper.entity.place(), sched::Place::running);
    auto const before = machine.cpu_time(sleeper);
    machine.pin(moved, sched::anywhere());
    machine.run(2 * sched::kWindow);
    EXPECT_LE(machine.cpu_time(sleeper) - before, 2 * sched::kWindow * 3 / 4); // two thirds are fair
}

TEST(Fairness, WhoSleptForLongHasNoSavings) {
    Simulation machine{1};
    Task& hog = machine.add(kHog);
    Task& sleeper = machine.add({.burst = 500 * kMillisecond, .sleep = 10 * kSecond});
    machine.run(11 * kSecond); // half a second of its own within the first second; and now it wakes
    auto const hog_before = machine.cpu_time(hog);
    auto const sleeper_before = machine.cpu_time(sleeper);
    machine.run(400 * kMillisecond);
    EXPECT_GE(machine.cpu_time(hog) - hog_before, 190 * kMillisecond);
    EXPECT_GE(machine.cpu_time(sleeper) - sleeper_before, 190 * kMillisecond);
}

TEST(Fairness, WhoSleepsMuchRunsSoonAfterItWakes) {
    Simulation machine{1};
    for (int i = 0; i < 4; ++i)
        machine.add(kHog);
    Task& quick = machine.add({.burst = 100 * kMicrosecond, .sleep = 10 * kMillisecond});
    machine.run(5 * kSecond);
    EXPECT_GE(machine.share(quick), 0.009);
    EXPECT_LE(quick.longest_delay, sched::kLeastRun);
}

TEST(Fairness, AYieldStormTakesNothingFromOthers) {
    Simulation machine{1};
    Task& victim = machine.add(kHog);
    for (int i = 0; i < 3; ++i)
        machine.add({.burst = 2 * kMicrosecond, .sleep = 0});
    machine.run(80 * kMillisecond);
    EXPECT_GE(machine.share(victim), 0.25 * (1 - kFewPercent));
}

TEST(Fairness, YieldingLetsOthersRun) {
    Simulation machine{1};
    Task& waiting = machine.add({.burst = kMillisecond, .sleep = 20 * kMillisecond});
    machine.add({.burst = 10 * kMicrosecond, .sleep = 0});
    machine.run(420 * kMillisecond);
    EXPECT_GE(machine.share(waiting), 1.0 / 21 * (1 - kFewPercent)); // as if it were alone
}

TEST(Fairness, BlockingAndWakingAsFastAsPossibleGainsNothing) {
    for (std::uint64_t const burst :
         {std::uint64_t{500}, kMicrosecond, 90 * kMicrosecond, 900 * kMicrosecond, 4900 * kMicrosecond}) {
        Simulation machine{1};
        Task& victim = machine.add(kHog);
        machine.add({.burst = burst, .sleep = 300});
        machine.add({.burst = burst, .sleep = 700});
        machine.run(burst < 10 * kMicrosecond ? 60 * kMillisecond : 500 * kMillisecond);
        EXPECT_GE(machine.share(victim), 1.0 / 3 * 0.95) << burst;
    }
}

TEST(Fairness, ManyShortRunsCostAsMuchAsOneLongOneAtAnyWeight) {
    sched::Scheduler scheduler{1};
    sched::Entity entity;
    scheduler.add(entity, CpuId{0});
    ASSERT_TRUE(scheduler.set_weight(entity, sched::kGreatestWeight, 0).ok());
    static_cast<void>(scheduler.resume(entity, 0));
    auto const before = scheduler.schedule(CpuId{0}, 0).next->virtual_time();
    for (std::uint64_t now = 0; now <= 256'000; ++now) // each ns alone is less than a unit of virtual time
        static_cast<void>(scheduler.schedule(CpuId{0}, now));
    EXPECT_EQ(entity.virtual_time().raw() - before.raw(), 256'000u * 256 / 65535);
    scheduler.block(entity);
    auto const decision = scheduler.schedule(CpuId{0}, 256'000);
    static_cast<void>(scheduler.context_saved(*decision.previous, 256'000));
}

TEST(Fairness, NobodyWaitsLongerThanItsTurn) {
    Simulation machine{2};
    std::mt19937 random{9};
    for (int i = 0; i < 12; ++i)
        machine.add({.burst = 50 * kMicrosecond + random() % (8 * kMillisecond),
                     .sleep = 10 * kMicrosecond + random() % (4 * kMillisecond)});
    machine.run(5 * kSecond);
    for (auto const& task : machine.tasks())
        EXPECT_LE(task->longest_delay, 12 * sched::kSlice);
}

TEST(WorkConserving, NoCpuIdlesWhileATaskWaitsWhateverHappens) { // the simulation checks it at every instant
    for (std::uint32_t seed = 0; seed < 30; ++seed) {
        std::mt19937 random{seed};
        auto const cpus = 1 + seed % 5;
        Simulation machine{cpus};
        for (int i = 0; i < 7; ++i) {
            Behaviour const behaviour{.burst = 1 + random() % (3 * kMillisecond),
                                      .sleep = random() % 3 == 0 ? 0 : 1 + random() % (3 * kMillisecond)};
            machine.add(behaviour, 64u << random() % 5, static_cast<std::uint32_t>(random() % cpus));
        }
        for (int step = 0; step < 60; ++step) {
            machine.run(random() % (4 * kMillisecond));
            ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed;
            Task& task = *machine.tasks()[random() % 7];
            switch (random() % 4) {
            case 0: machine.pause(task); break;
            case 1:
                if (task.pauses != 0)
                    machine.resume(task);
                break;
            case 2: {
                sched::Affinity some = only({static_cast<std::uint32_t>(random() % cpus)});
                some.set(random() % cpus);
                machine.pin(task, some);
                break;
            }
            case 3: machine.pin(task, sched::anywhere()); break;
            }
        }
    }
}

} // namespace
} // namespace sched_test
