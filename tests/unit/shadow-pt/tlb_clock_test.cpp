#include "shadow_pt/tlb_clock.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace {

using base::CpuId;
using shadow_pt::Stamp;
using shadow_pt::TlbClock;
using shadow_pt::TlbGeneration;

void flush(TlbClock& clock, CpuId cpu) { clock.end_flush(cpu, clock.begin_flush()); }

/// A clock at @p start with CPUs 0 and 1.
struct TwoCpus : TlbClock {
    explicit TwoCpus(std::uint64_t start = 1) : TlbClock{start} {
        add_cpu(CpuId{0});
        add_cpu(CpuId{1});
    }
};

TEST(TlbClock, AStampIsSafeWhenEveryCpuHasFlushedAfterIt) { // SP-2
    TwoCpus clock;
    std::atomic<Stamp> stamp{0};
    clock.stamp(stamp);
    EXPECT_FALSE(clock.is_safe(stamp));
    flush(clock, CpuId{0});
    EXPECT_TRUE(clock.has_flushed(CpuId{0}, stamp));
    EXPECT_FALSE(clock.is_safe(stamp));
    EXPECT_FALSE(clock.behind(stamp).test(0));
    EXPECT_TRUE(clock.behind(stamp).test(1));
    flush(clock, CpuId{1});
    EXPECT_TRUE(clock.is_safe(stamp));
    EXPECT_TRUE(clock.behind(stamp).none());
}

TEST(TlbClock, WhatNobodyEverStampedIsSafe) {
    TwoCpus const clock;
    EXPECT_TRUE(clock.is_safe(0));
}

TEST(TlbClock, CpusThatRunNoGuestsNeedNotFlush) {
    TlbClock clock;
    EXPECT_TRUE(clock.is_safe(clock.now()));
    clock.add_cpu(CpuId{255});
    EXPECT_FALSE(clock.is_safe(clock.now()));
    EXPECT_TRUE(clock.behind(clock.now()).test(255));
}

TEST(TlbClock, AFlushThatBeganBeforeTheRemovalDoesNotCount) {
    TwoCpus clock;
    flush(clock, CpuId{1});
    auto const begun = clock.begin_flush();
    std::atomic<Stamp> stamp{0};
    clock.stamp(stamp); // the entry went while CPU 0 was flushing
    clock.end_flush(CpuId{0}, begun);
    EXPECT_FALSE(clock.has_flushed(CpuId{0}, stamp));
}

TEST(TlbClock, StampsStayRightWhereTheyWrapAround) {
    TwoCpus clock{0xffff'fff0};
    for (int i = 0; i < 40; ++i) {
        std::atomic<Stamp> stamp{0};
        clock.stamp(stamp);
        EXPECT_FALSE(clock.is_safe(stamp)) << i;
        flush(clock, CpuId{0});
        EXPECT_FALSE(clock.is_safe(stamp)) << i;
        flush(clock, CpuId{1});
        EXPECT_TRUE(clock.is_safe(stamp)) << i;
    }
}

TEST(TlbClock, AStampOlderThanAWholeTurnIsNeverTakenForOlderThanItIs) {
    TwoCpus clock{std::uint64_t{7} << 32};
    auto const now = clock.now();
    // Any word at all means a time not later than now, less than a turn ago.
    EXPECT_TRUE(clock.is_safe(now - 5));
    EXPECT_FALSE(clock.is_safe(now));
    EXPECT_TRUE(clock.is_safe(now + 1)) << "nearly a turn ago";
}

TEST(TlbClock, OfRacingStampsTheLatestStays) {
    TwoCpus clock;
    std::atomic<Stamp> stamp{0};
    for (int round = 0; round < 500; ++round) {
        std::thread remover{[&] { clock.stamp(stamp); }};
        flush(clock, CpuId{0});
        clock.stamp(stamp);
        EXPECT_FALSE(clock.has_flushed(CpuId{0}, stamp)) << "this thread stamped after its flush";
        remover.join();
        EXPECT_FALSE(clock.has_flushed(CpuId{0}, stamp));
    }
}

TEST(TlbGeneration, ACpuThatNeverFlushedIsBehind) { // SP-12
    TlbGeneration const domain;
    EXPECT_TRUE(domain.behind({}));
}

TEST(TlbGeneration, ACpuIsBehindAfterEachRaiseUntilItFlushes) {
    TlbGeneration domain;
    auto seen = domain.begin_flush();
    EXPECT_FALSE(domain.behind(seen));
    domain.raise();
    EXPECT_TRUE(domain.behind(seen));
    seen = domain.begin_flush();
    EXPECT_FALSE(domain.behind(seen));
}

TEST(TlbGeneration, ARaiseDuringAFlushIsNotCoveredByIt) {
    TlbGeneration domain;
    auto const seen = domain.begin_flush();
    domain.raise();
    EXPECT_TRUE(domain.behind(seen));
}

} // namespace
