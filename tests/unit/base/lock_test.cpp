#include "base/lock.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace {

using base::Guarded;
using base::LockGuard;
using base::LockRank;
using base::LockWitness;
using base::SpinLock;

TEST(SpinLock, IsHeldForAScope) {
    SpinLock<LockRank::frames> lock;
    {
        LockGuard const guard{lock};
        EXPECT_TRUE(lock.held());
    }
    EXPECT_FALSE(lock.held());
}

TEST(SpinLock, LetsOneThreadInAtATime) {
    constexpr int kThreads = 2; // more than CPUs would wait for the scheduler at each turn: the lock is fair
    constexpr int kRounds = 500;
    Guarded<int, LockRank::run_queue> counter{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < kRounds; ++round)
                counter.with([](int& value) { value = value + 1; });
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(counter.with([](int const& value) { return value; }), kThreads * kRounds);
}

TEST(Guarded, AnswersWhatTheVisitorAnswersAndBuildsItsValueInPlace) {
    struct Pair {
        Pair(int a, int b) : sum{a + b} {}
        int sum;
    };
    Guarded<Pair, LockRank::events> guarded{2, 3};
    EXPECT_EQ(guarded.with([](Pair& pair) { return pair.sum; }), 5);
}

TEST(LockWitness, AcceptsRisingRanksAndForgetsWhatWasReleased) {
    LockWitness witness;
    witness.acquired(LockRank::domain);
    witness.acquired(LockRank::events);
    witness.acquired(LockRank::console);
    witness.released(LockRank::events); // not the last one
    witness.released(LockRank::console);
    witness.released(LockRank::domain);
    EXPECT_TRUE(witness.empty());
    witness.acquired(LockRank::domain_list);
    witness.released(LockRank::domain_list);
}

TEST(LockWitness, AcceptsTwoOfARankThatNests) {
    LockWitness witness;
    witness.acquired(LockRank::grants);
    witness.acquired(LockRank::grants);
    witness.released(LockRank::grants);
    EXPECT_FALSE(witness.empty());
    witness.released(LockRank::grants);
    EXPECT_TRUE(witness.empty());
}

TEST(LockWitnessDeathTest, FallingRanksAreABug) {
    LockWitness witness;
    witness.acquired(LockRank::frames);
    EXPECT_DEATH(witness.acquired(LockRank::events), "assertion failed");
}

TEST(LockWitnessDeathTest, TwoOfARankThatDoesNotNestAreABug) {
    LockWitness witness;
    witness.acquired(LockRank::frames);
    EXPECT_DEATH(witness.acquired(LockRank::frames), "assertion failed");
}

TEST(LockWitnessDeathTest, ReleasingWhatIsNotHeldIsABug) {
    LockWitness witness;
    EXPECT_DEATH(witness.released(LockRank::frames), "assertion failed");
}

#ifndef NDEBUG
TEST(SpinLockDeathTest, TellsTheWitnessOfThisCpu) {
    SpinLock<LockRank::console> later;
    SpinLock<LockRank::frames> earlier;
    LockGuard const guard{later};
    EXPECT_DEATH(earlier.lock(), "assertion failed");
}
#endif

} // namespace
