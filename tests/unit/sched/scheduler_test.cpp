// One rule a test: who runs, who is kicked, what is never lost.
#include "sched/scheduler.hpp"

#include <gtest/gtest.h>

#include "simulation.hpp"

namespace sched_test {
namespace {

using sched::Decision;
using sched::Entity;
using sched::Kick;
using sched::Place;

constexpr CpuId kCpu0{0};
constexpr CpuId kCpu1{1};

class Scheduling : public testing::Test {
  protected:
    ~Scheduling() override {
        for (auto* const entity : {&a, &b, &c})
            static_cast<void>(scheduler.pause(*entity, now));
        for (CpuId const cpu : {kCpu0, kCpu1})
            schedule(cpu);
    }

    void start(Entity& entity, CpuId home = kCpu0) {
        scheduler.add(entity, home);
        static_cast<void>(scheduler.resume(entity, now));
    }
    /// Schedules and saves, as a CPU does.
    Entity* schedule(CpuId cpu = kCpu0) {
        auto const decision = scheduler.schedule(cpu, now);
        if (decision.previous != nullptr)
            saved = scheduler.context_saved(*decision.previous, now);
        return decision.next;
    }

    sched::Scheduler scheduler{2};
    Entity a, b, c;
    std::uint64_t now = kSecond;
    Kick saved;
};

TEST_F(Scheduling, NothingToRunIsIdle) {
    auto const decision = scheduler.schedule(kCpu0, now);
    EXPECT_EQ(decision.next, nullptr);
    EXPECT_EQ(decision.previous, nullptr);
    EXPECT_EQ(decision.until, timing::kNever);
}

TEST_F(Scheduling, AnEntityIsPausedUntilItIsResumed) {
    scheduler.add(a, kCpu0);
    EXPECT_EQ(schedule(), nullptr);
    EXPECT_EQ(a.runstate().at_last_change().state, RUNSTATE_offline);
    EXPECT_EQ(scheduler.resume(a, now).cpu, kCpu0); // which is idle
    EXPECT_EQ(a.runstate().at_last_change().state, RUNSTATE_runnable);
    EXPECT_EQ(schedule(), &a);
    EXPECT_EQ(a.runstate().at_last_change().state, RUNSTATE_running);
    EXPECT_EQ(scheduler.current(kCpu0), &a);
    EXPECT_EQ(scheduler.runs_on(a).cpu, kCpu0);
}

TEST_F(Scheduling, WhoRunsGoesOnUntilItsSliceEnds) {
    start(a);
    start(b);
    auto const first = scheduler.schedule(kCpu0, now);
    EXPECT_EQ(first.until, now + sched::kSlice);
    now += kMillisecond / 2;
    EXPECT_EQ(schedule(), first.next);
    now = first.until;
    EXPECT_NE(schedule(), first.next);
}

TEST_F(Scheduling, SmallWeightsHaveShortSlices) {
    EXPECT_EQ(sched::slice(256), sched::kSlice);
    EXPECT_EQ(sched::slice(65535), sched::kSlice);
    EXPECT_EQ(sched::slice(128), sched::kSlice / 2);
    EXPECT_EQ(sched::slice(1), sched::kLeastSlice);
}

TEST_F(Scheduling, BlockingStopsItAndWakingStartsItAgain) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    EXPECT_EQ(schedule(), nullptr);
    EXPECT_TRUE(a.off());
    EXPECT_EQ(a.runstate().at_last_change().state, RUNSTATE_blocked);
    EXPECT_EQ(scheduler.runs_on(a).cpu, std::nullopt);
    EXPECT_EQ(scheduler.wake(a, now).cpu, kCpu0);
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Scheduling, AWakeUpThatComesBeforeTheSwitchIsNotLost) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    static_cast<void>(scheduler.wake(a, now));
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Scheduling, AWakeUpThatComesWhileTheStateIsSavedIsNotLost) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    auto const decision = scheduler.schedule(kCpu0, now);
    ASSERT_EQ(decision.previous, &a);
    EXPECT_EQ(scheduler.wake(a, now).cpu, std::nullopt);
    EXPECT_EQ(a.place(), Place::leaving);
    EXPECT_EQ(scheduler.context_saved(a, now).cpu, kCpu0); // itself: it has gone idle
    EXPECT_EQ(schedule(), &a);
}

/// a has run on CPU 0, and rests there.
class Resting : public Scheduling {
  protected:
    void SetUp() override {
        start(a);
        ASSERT_EQ(schedule(), &a);
        scheduler.block(a);
        rest();
    }
    void rest() {
        auto const decision = scheduler.schedule(kCpu0, now);
        ASSERT_EQ(decision.next, nullptr);
        ASSERT_EQ(decision.previous, &a);
        ASSERT_TRUE(scheduler.rest(a));
    }
};

TEST_F(Resting, WhoIsWokenGoesOnWithoutHavingBeenSaved) {
    EXPECT_FALSE(a.off());
    EXPECT_EQ(a.runstate().at_last_change().state, RUNSTATE_blocked);
    now += kSecond;
    EXPECT_EQ(scheduler.wake(a, now).cpu, kCpu0);
    auto const decision = scheduler.schedule(kCpu0, now);
    EXPECT_EQ(decision.next, &a);
    EXPECT_EQ(decision.previous, nullptr);
    EXPECT_EQ(decision.until, now + sched::kSlice);
    EXPECT_EQ(a.place(), Place::running);
    EXPECT_EQ(a.runstate().at_last_change().state, RUNSTATE_running);
    EXPECT_EQ(a.runstate().up_to(now).time[RUNSTATE_running], 0U) << "the rest does not count";
}

TEST_F(Resting, ACpuThatLooksForNothingLetsItRestOn) {
    rest();
    EXPECT_EQ(scheduler.wake(a, now).cpu, kCpu0);
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Resting, WhoIsPausedIsSaved) {
    EXPECT_EQ(scheduler.pause(a, now).cpu, kCpu0);
    auto const decision = scheduler.schedule(kCpu0, now);
    EXPECT_EQ(decision.previous, &a);
    EXPECT_FALSE(scheduler.rest(a));
    EXPECT_EQ(scheduler.context_saved(a, now).cpu, std::nullopt);
    EXPECT_TRUE(a.off());
    static_cast<void>(scheduler.wake(a, now));
    EXPECT_EQ(scheduler.resume(a, now).cpu, kCpu0);
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Resting, WhoWakesBeforeItRestsDoesNot) {
    static_cast<void>(scheduler.wake(a, now));
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    ASSERT_EQ(scheduler.schedule(kCpu0, now).previous, &a);
    static_cast<void>(scheduler.wake(a, now));
    EXPECT_FALSE(scheduler.rest(a));
    EXPECT_EQ(scheduler.context_saved(a, now).cpu, kCpu0);
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Resting, TheCpuIsForOthersMeanwhile) {
    scheduler.add(b, kCpu0);
    EXPECT_EQ(scheduler.resume(b, now).cpu, kCpu0);
    auto const decision = scheduler.schedule(kCpu0, now);
    EXPECT_EQ(decision.next, &b);
    EXPECT_EQ(decision.previous, &a);
    EXPECT_EQ(scheduler.context_saved(a, now).cpu, std::nullopt);
    EXPECT_TRUE(a.off());
}

TEST_F(Resting, WhoIsWokenWhenItsCpuIsCalledForAnotherGoesWhereOthersAreIdle) {
    ASSERT_EQ(schedule(kCpu1), nullptr);
    scheduler.add(b, kCpu0);
    EXPECT_EQ(scheduler.resume(b, now).cpu, kCpu0);
    EXPECT_EQ(scheduler.wake(a, now).cpu, kCpu0) << "to let go of it";
    EXPECT_EQ(schedule(), &b);
    EXPECT_EQ(saved.cpu, kCpu1);
    EXPECT_EQ(schedule(kCpu1), &a);
}

TEST_F(Resting, WhoMayNotRunThereAnyMoreGoesElsewhere) {
    EXPECT_EQ(scheduler.set_affinity(a, only({1}), now).value().cpu, std::nullopt);
    ASSERT_EQ(schedule(kCpu1), nullptr);
    EXPECT_EQ(scheduler.wake(a, now).cpu, kCpu0);
    EXPECT_EQ(schedule(), nullptr);
    EXPECT_EQ(saved.cpu, kCpu1);
    EXPECT_EQ(schedule(kCpu1), &a);
}

TEST_F(Resting, WhoRestedLongHasNoSavings) {
    ASSERT_EQ(schedule(kCpu1), nullptr);
    scheduler.add(b, kCpu1);
    EXPECT_EQ(scheduler.resume(b, now).cpu, kCpu1);
    ASSERT_EQ(schedule(kCpu1), &b);
    for (int i = 0; i < 100; ++i) {
        now += sched::kSlice;
        ASSERT_EQ(schedule(kCpu1), &b);
    }
    static_cast<void>(scheduler.wake(a, now));
    ASSERT_EQ(schedule(), &a);
    static_cast<void>(scheduler.set_affinity(b, only({0}), now));
    ASSERT_EQ(schedule(kCpu1), nullptr);
    auto const most = now + sched::kSleeper + 2 * sched::kSlice;
    while (now <= most && schedule() == &a)
        now += sched::kSlice / 2;
    EXPECT_LE(now, most) << "b waits for as long as a has slept";
}

TEST_F(Scheduling, WakingWhoDoesNotWaitIsNothing) {
    start(a);
    EXPECT_EQ(scheduler.wake(a, now).cpu, std::nullopt);
    ASSERT_EQ(schedule(), &a);
    EXPECT_EQ(scheduler.wake(a, now).cpu, std::nullopt);
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Scheduling, NobodyElseRunsAnEntityWhoseStateIsNotSavedYet) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    start(b);
    now += sched::kSlice;
    auto const decision = scheduler.schedule(kCpu0, now);
    ASSERT_EQ(decision.previous, &a);
    ASSERT_EQ(decision.next, &b);
    EXPECT_EQ(schedule(kCpu1), nullptr);
    EXPECT_EQ(scheduler.context_saved(a, now).cpu, kCpu1); // it is idle, and may have it now
    EXPECT_EQ(schedule(kCpu1), &a);
    EXPECT_EQ(a.home(), kCpu1);
}

TEST_F(Scheduling, AnIdleCpuIsKickedForWhoMustWait) {
    EXPECT_EQ(schedule(kCpu1), nullptr);
    start(a);
    EXPECT_EQ(schedule(kCpu0), &a); // it came first
    scheduler.add(b, kCpu0);
    EXPECT_EQ(scheduler.resume(b, now).cpu, std::nullopt); // CPU 1 was kicked for a already, and looks anyway
    EXPECT_EQ(schedule(kCpu1), &b);
}

TEST_F(Scheduling, OnlyOneOfTwoIsGivenTheSameIdleCpu) {
    EXPECT_EQ(schedule(kCpu1), nullptr);
    EXPECT_EQ(schedule(kCpu0), nullptr);
    scheduler.add(a, kCpu0);
    scheduler.add(b, kCpu0);
    EXPECT_EQ(scheduler.resume(a, now).cpu, kCpu0);
    EXPECT_EQ(scheduler.resume(b, now).cpu, kCpu1);
}

TEST_F(Scheduling, WhoWakesStaysAtHomeIfItIsIdle) {
    EXPECT_EQ(schedule(kCpu0), nullptr);
    EXPECT_EQ(schedule(kCpu1), nullptr);
    scheduler.add(a, kCpu1);
    EXPECT_EQ(scheduler.resume(a, now).cpu, kCpu1);
}

TEST_F(Scheduling, AWokenSleeperInterruptsWhoHasRunForAWhile) {
    start(a);
    start(b);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    ASSERT_EQ(schedule(), &b);
    now += 4 * kMillisecond;
    EXPECT_EQ(scheduler.wake(a, now).cpu, kCpu0);
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Scheduling, NobodyIsInterruptedBeforeTheLeastRun) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    start(b);
    ASSERT_EQ(schedule(), &b);
    now += 4 * kMillisecond; // it has had its share
    scheduler.block(b);
    ASSERT_EQ(schedule(), nullptr);
    static_cast<void>(scheduler.wake(b, now));
    ASSERT_EQ(schedule(), &b); // but has only just come back
    auto const begun = now;
    now += sched::kLeastRun / 2;
    EXPECT_EQ(scheduler.wake(a, now).cpu, kCpu0);
    auto const decision = scheduler.schedule(kCpu0, now);
    EXPECT_EQ(decision.next, &b);
    EXPECT_EQ(decision.until, begun + sched::kLeastRun);
    now = decision.until;
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Scheduling, YieldingLetsAnotherRunOnce) {
    start(a);
    start(b);
    ASSERT_EQ(schedule(), &a);
    scheduler.yield(a);
    ASSERT_EQ(schedule(), &b);
    scheduler.yield(b);
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Scheduling, YieldingAloneGoesOn) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.yield(a);
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Scheduling, PausingWhoRunsKicksItsCpu) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    EXPECT_EQ(scheduler.pause(a, now).cpu, kCpu0);
    EXPECT_FALSE(a.off());
    EXPECT_EQ(schedule(), nullptr);
    EXPECT_TRUE(a.off());
    EXPECT_EQ(a.runstate().at_last_change().state, RUNSTATE_offline);
}

TEST_F(Scheduling, PausesAreCounted) {
    start(a);
    static_cast<void>(scheduler.pause(a, now));
    static_cast<void>(scheduler.pause(a, now));
    EXPECT_TRUE(a.off());
    static_cast<void>(scheduler.resume(a, now));
    EXPECT_EQ(schedule(), nullptr);
    static_cast<void>(scheduler.resume(a, now));
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Scheduling, WakingWhoIsPausedStartsItWhenItIsResumed) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    ASSERT_EQ(schedule(), nullptr);
    static_cast<void>(scheduler.pause(a, now));
    EXPECT_EQ(a.runstate().at_last_change().state, RUNSTATE_blocked);
    EXPECT_EQ(scheduler.wake(a, now).cpu, std::nullopt);
    EXPECT_EQ(a.runstate().at_last_change().state, RUNSTATE_offline);
    EXPECT_EQ(schedule(), nullptr);
    EXPECT_EQ(scheduler.resume(a, now).cpu, kCpu0);
    EXPECT_EQ(schedule(), &a);
}

TEST_F(Scheduling, ResumingWhoIsBlockedDoesNotStartIt) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    ASSERT_EQ(schedule(), nullptr);
    static_cast<void>(scheduler.pause(a, now));
    static_cast<void>(scheduler.resume(a, now));
    EXPECT_EQ(schedule(), nullptr);
}

TEST_F(Scheduling, APauseThatComesWhileTheStateIsSavedHolds) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    start(b);
    now += sched::kSlice;
    ASSERT_EQ(scheduler.schedule(kCpu0, now).previous, &a);
    static_cast<void>(scheduler.pause(a, now));
    static_cast<void>(scheduler.context_saved(a, now));
    EXPECT_TRUE(a.off());
    now += sched::kSlice;
    EXPECT_EQ(schedule(), &b);
}

TEST_F(Scheduling, AffinityMovesWhoWaits) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    start(b);
    EXPECT_EQ(schedule(kCpu1), &b);
    start(c);
    ASSERT_TRUE(scheduler.set_affinity(c, only({1}), now).ok());
    EXPECT_EQ(c.home(), kCpu1);
    EXPECT_EQ(c.place(), Place::waiting);
}

TEST_F(Scheduling, AffinityDrivesWhoRunsAway) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    EXPECT_EQ(schedule(kCpu1), nullptr);
    EXPECT_EQ(scheduler.set_affinity(a, only({1}), now).value().cpu, kCpu0);
    EXPECT_EQ(schedule(kCpu0), nullptr);
    EXPECT_EQ(saved.cpu, kCpu1);
    EXPECT_EQ(schedule(kCpu1), &a);
}

TEST_F(Scheduling, AffinityOfWhoSleepsCountsWhenItWakes) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    ASSERT_EQ(schedule(), nullptr);
    ASSERT_TRUE(scheduler.set_affinity(a, only({1}), now).ok());
    static_cast<void>(scheduler.wake(a, now));
    EXPECT_EQ(schedule(kCpu0), nullptr);
    EXPECT_EQ(schedule(kCpu1), &a);
}

TEST_F(Scheduling, WhoWakesIsLeftToAnIdleCpuThatItPrefers) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    ASSERT_EQ(schedule(kCpu0), nullptr);
    ASSERT_EQ(schedule(kCpu1), nullptr);
    scheduler.set_soft_affinity(a, only({1}));
    EXPECT_EQ(scheduler.wake(a, now).cpu, kCpu1); // though CPU 0 is idle, too
    EXPECT_EQ(schedule(kCpu1), &a);
}

TEST_F(Scheduling, APreferenceThatCannotBeMetHindersNobody) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    scheduler.block(a);
    ASSERT_EQ(schedule(kCpu0), nullptr);
    for (auto const& wish : {sched::Affinity{}, only({1}), only({255})}) { // CPU 1 is not idle
        scheduler.set_soft_affinity(a, wish);
        EXPECT_EQ(scheduler.wake(a, now).cpu, kCpu0);
        ASSERT_EQ(schedule(kCpu0), &a);
        scheduler.block(a);
        ASSERT_EQ(schedule(kCpu0), nullptr);
    }
    EXPECT_EQ(scheduler.affinities(a).soft, only({255}));
    EXPECT_EQ(scheduler.affinities(a).hard, sched::anywhere());
}

TEST_F(Scheduling, NonsenseIsRefused) {
    start(a);
    EXPECT_EQ(scheduler.set_affinity(a, {}, now).error(), base::Error::invalid);
    EXPECT_EQ(scheduler.set_affinity(a, only({2, 255}), now).error(), base::Error::invalid); // no such CPUs
    EXPECT_EQ(scheduler.set_weight(a, 0, now).error(), base::Error::invalid);
    EXPECT_EQ(scheduler.set_weight(a, 65536, now).error(), base::Error::invalid);
    EXPECT_EQ(a.weight(), sched::kDefaultWeight);
}

TEST_F(Scheduling, AChangedWeightCountsFromThenOn) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    auto const before = a.virtual_time().raw();
    now += 1000;
    ASSERT_TRUE(scheduler.set_weight(a, 512, now).ok());
    now += 1000;
    schedule();
    EXPECT_EQ(a.virtual_time().raw() - before, 1500u);
}

TEST_F(Scheduling, ATimeThatGoesBackALittleIsNoTime) {
    start(a);
    ASSERT_EQ(schedule(), &a);
    auto const before = a.virtual_time();
    now -= 500;
    EXPECT_EQ(schedule(), &a);
    EXPECT_EQ(a.virtual_time(), before);
}

TEST(VirtualTime, WrapsAround) {
    sched::VirtualTime const late{~std::uint64_t{0} - 5};
    EXPECT_TRUE(late < late + 10);
    EXPECT_FALSE(late + 10 < late);
    EXPECT_EQ(sched::later(late, late + 10), late + 10);
    EXPECT_EQ(sched::earlier(late, late + 10), late);
}

} // namespace
} // namespace sched_test
