/// The log of dirty frames: what is marked is taken once, by whoever takes it.
#include "logdirty/dirty_log.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using base::Gfn;
using logdirty::DirtyLog;

struct Log : testing::Test {
    static constexpr std::uint64_t kFrames = 200;

    Log() { log.adopt(words); }

    std::vector<std::uint64_t> words = std::vector<std::uint64_t>(DirtyLog::words_for(kFrames));
    DirtyLog log;
};

TEST_F(Log, AMarkIsTakenOnce) {
    log.start();
    log.mark(Gfn{3});
    log.mark(Gfn{3});
    log.mark(Gfn{130});
    EXPECT_EQ(log.peek(0), 1U << 3);
    EXPECT_EQ(log.take(0), 1U << 3);
    EXPECT_EQ(log.take(0), 0U);
    EXPECT_EQ(log.take(2), 1U << 2);
}

TEST_F(Log, NothingIsKeptWhileItIsOffAndNothingOldWhenItStarts) {
    log.mark(Gfn{1});
    log.start();
    EXPECT_EQ(log.take(0), 0U);
    log.mark(Gfn{2});
    log.set_foreign(Gfn{3}, true);
    log.stop();
    log.mark(Gfn{4});
    log.start();
    log.mark_foreign();
    EXPECT_EQ(log.take(0), 0U);
}

TEST_F(Log, NumbersBeyondItAreNobodys) {
    log.start();
    log.mark(Gfn{(std::uint64_t{1} << 32) - 1});
    log.set_foreign(Gfn{~std::uint64_t{0}}, true);
    EXPECT_EQ(log.take(words.size()), 0U);
    EXPECT_EQ(log.peek(~std::uint64_t{0}), 0U);
}

TEST_F(Log, WhatOthersMayWriteToIsDirtyEachTime) {
    log.start();
    log.set_foreign(Gfn{64}, true);
    log.set_foreign(Gfn{65}, true);
    for (unsigned round = 0; round < 2; ++round) {
        log.mark_foreign();
        EXPECT_EQ(log.take(1), 3U);
    }
    log.set_foreign(Gfn{64}, false);
    log.mark_foreign();
    EXPECT_EQ(log.take(1), 2U);
}

TEST_F(Log, WhatIsPutBackIsThereStill) {
    log.start();
    log.mark(Gfn{7});
    log.put_back(0, log.take(0));
    log.mark(Gfn{8});
    EXPECT_EQ(log.take(0), 3U << 7);
    log.mark(Gfn{9});
    log.clear();
    EXPECT_EQ(log.take(0), 0U);
}

TEST_F(Log, NoMarkIsLostBetweenWhoMarksAndWhoTakes) {
    constexpr unsigned kMarks = 20'000;
    log.start();
    // Each mark is of a frame that was seen taken: so one that is lost is waited for in vain.
    std::atomic<unsigned> taken{0};
    std::thread marker{[&] {
        for (unsigned i = 0; i < kMarks; ++i) {
            log.mark(Gfn{i % 64});
            while (taken.load() <= i)
                std::this_thread::yield();
        }
    }};
    while (taken.load() < kMarks)
        for (auto bits = log.take(0); bits != 0; bits &= bits - 1)
            taken.fetch_add(1);
    marker.join();
    EXPECT_EQ(log.peek(0), 0U);
}

} // namespace
