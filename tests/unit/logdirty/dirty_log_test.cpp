/// The log of dirty frames: what is marked is taken once, by whoever takes it.
#include "logdirty/dirty_log.hpp"

#include <deque>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using base::Gfn;
using logdirty::DirtyLog;
using logdirty::Pages;

/// Memory for a log of so many frames.
struct Room {
    explicit Room(std::uint64_t frames) : words(Pages::words_for(frames)), pages{frames, words} {}
    std::vector<std::uint64_t> words;
    Pages pages;
};

struct Log : testing::Test {
    static constexpr std::uint64_t kFrames = 3 * 4096 + 128; // three whole groups, and two words

    Log() { log.adopt(room.pages); }

    std::uint64_t take(std::uint64_t index) {
        std::uint64_t word = 0;
        log.take(index, {&word, 1});
        return word;
    }
    std::uint64_t peek(std::uint64_t index) {
        std::uint64_t word = 0;
        log.peek(index, {&word, 1});
        return word;
    }
    std::uint64_t foreign(std::uint64_t index) {
        std::uint64_t word = 0;
        log.foreign(index, {&word, 1});
        return word;
    }

    Room room{kFrames};
    DirtyLog log;
};

TEST_F(Log, AMarkIsTakenOnce) {
    log.start();
    log.mark(Gfn{3});
    log.mark(Gfn{3});
    log.mark(Gfn{130});
    EXPECT_EQ(peek(0), 1U << 3);
    EXPECT_EQ(take(0), 1U << 3);
    EXPECT_EQ(take(0), 0U);
    EXPECT_EQ(take(2), 1U << 2);
}

TEST_F(Log, WordsOfAGroupAreTakenAtOnce) {
    log.start();
    std::vector<std::uint64_t> words(64);
    EXPECT_FALSE(log.take(64, words));
    for (auto const gfn : {4096, 8191, 8192, 12288 + 127})
        log.mark(Gfn{static_cast<std::uint64_t>(gfn)});
    EXPECT_TRUE(log.peek(64, words));
    EXPECT_TRUE(log.take(64, words));
    EXPECT_EQ(words.front(), 1U);
    EXPECT_EQ(words.back(), std::uint64_t{1} << 63);
    EXPECT_FALSE(log.take(64, words));
    EXPECT_EQ(words.front(), 0U);
    log.mark(Gfn{4097});
    EXPECT_EQ(take(64), 2U) << "a part of a group";
    EXPECT_EQ(take(128), 1U) << "the next group is as it was";
    words.resize(2);
    EXPECT_TRUE(log.take(192, words)) << "the last one is short";
    EXPECT_EQ(words.back(), std::uint64_t{1} << 63);
}

TEST_F(Log, NothingIsKeptWhileItIsOffAndNothingOldWhenItStarts) {
    log.mark(Gfn{1});
    log.start();
    EXPECT_EQ(take(0), 0U);
    log.mark(Gfn{2});
    log.set_foreign(Gfn{3}, true);
    log.stop();
    log.mark(Gfn{4});
    log.start();
    log.mark_foreign();
    EXPECT_EQ(take(0), 0U);
}

TEST_F(Log, WhatIsWrittenBeyondItMakesAllThatLiesThereDirty) {
    log.start();
    log.mark(logdirty::kEndOfRam);
    log.mark(Gfn{~std::uint64_t{0}});
    EXPECT_EQ(take(kFrames / 64), 0U) << "that is no RAM";
    log.mark(Gfn{kFrames});
    for (unsigned round = 0; round < 2; ++round) {
        EXPECT_EQ(take(kFrames / 64), ~std::uint64_t{0});
        EXPECT_EQ(peek(kFrames / 64 + 1'000'000), ~std::uint64_t{0});
        EXPECT_EQ(take(kFrames / 64 - 1), 0U);
    }
    log.stop();
    log.start();
    EXPECT_EQ(take(kFrames / 64), 0U);
}

TEST_F(Log, ABiggerOneTakesOver) {
    Room bigger{2 * kFrames};
    log.start();
    log.mark(Gfn{7});
    log.stop();
    log.adopt(bigger.pages);
    EXPECT_EQ(log.frames(), 2 * kFrames);
    EXPECT_EQ(log.memory()->smaller, &room.pages) << "to be given back at the end";
    log.start();
    log.mark(Gfn{kFrames + 1});
    EXPECT_EQ(take(0), 0U);
    EXPECT_EQ(take(kFrames / 64), 2U);
}

TEST_F(Log, WhatOthersMayWriteToIsDirtyEachTimeOrAClassOfItsOwn) {
    log.start();
    log.set_foreign(Gfn{64}, true);
    log.set_foreign(Gfn{65}, true);
    log.set_foreign(Gfn{9000}, true);
    EXPECT_EQ(foreign(1), 3U);
    EXPECT_EQ(take(1), 0U);
    for (unsigned round = 0; round < 2; ++round) {
        log.mark_foreign();
        EXPECT_EQ(take(1), 3U);
        EXPECT_EQ(take(9000 / 64), std::uint64_t{1} << 9000 % 64);
    }
    log.set_foreign(Gfn{64}, false);
    log.mark_foreign();
    EXPECT_EQ(take(1), 2U);
    EXPECT_EQ(foreign(1), 2U);
}

TEST_F(Log, EachFrameThatWasATableIsFoundAFewAtATime) {
    std::vector<std::uint64_t> const tables{0, 63, 64, 4095, 9000, kFrames - 1};
    log.tell_table(Gfn{5});
    log.start();
    for (auto const gfn : tables)
        log.tell_table(Gfn{gfn});
    EXPECT_FALSE(log.knows_tables()) << "what was one before it began is to be told yet";
    log.all_tables_told();
    ASSERT_TRUE(log.knows_tables());
    for (std::uint32_t const budget : {1U, 2U, 1000U}) {
        std::vector<std::uint64_t> found;
        unsigned calls = 1;
        Gfn cursor{0};
        auto const visit = [&](Gfn gfn) { found.push_back(gfn.raw()); };
        while (!log.look_at_tables(cursor, Gfn{2 * kFrames}, budget, visit)) // it ends where its bits do
            ASSERT_LT(calls++, kFrames);
        EXPECT_EQ(found, tables);
        EXPECT_EQ(calls == 1, budget == 1000U);
    }
    Gfn cursor{63};
    std::vector<std::uint64_t> some;
    EXPECT_TRUE(log.look_at_tables(cursor, Gfn{4095}, 1000, [&](Gfn gfn) { some.push_back(gfn.raw()); }));
    EXPECT_EQ(some, (std::vector<std::uint64_t>{63, 64})) << "from the one on, and before the other";
}

TEST_F(Log, DoesNotKnowATableThatItHasNoBitFor) {
    log.start();
    log.all_tables_told();
    log.tell_table(Gfn{kFrames});
    EXPECT_FALSE(log.knows_tables());
    log.stop();
    log.start();
    log.all_tables_told();
    EXPECT_TRUE(log.knows_tables());
    log.stop();
    EXPECT_FALSE(log.knows_tables()) << "nobody tells it any more";
}

TEST_F(Log, WhatIsPutBackIsThereStill) {
    log.start();
    log.mark(Gfn{7});
    std::vector<std::uint64_t> words(64);
    EXPECT_TRUE(log.take(0, words));
    log.put_back(0, words);
    log.mark(Gfn{8});
    EXPECT_EQ(take(0), 3U << 7);
    log.mark(Gfn{9});
    log.clear();
    EXPECT_EQ(take(0), 0U);
}

TEST_F(Log, ARegionIsAsHotAsItIsOftenDirtyAndCoolsByItself) {
    log.start();
    EXPECT_EQ(log.heat(Gfn{0}), 0);
    unsigned before = 0;
    for (unsigned harvest = 0; harvest < 40; ++harvest) {
        log.begin_harvest();
        for (unsigned gfn = 0; gfn < 5; ++gfn)
            log.mark(Gfn{512 + gfn});
        EXPECT_GE(log.heat(Gfn{600}), before);
        before = log.heat(Gfn{600});
    }
    EXPECT_GT(before, 240U);
    EXPECT_EQ(log.heat(Gfn{511}), 0);
    EXPECT_EQ(log.heat(Gfn{1024}), 0);
    for (unsigned harvest = 0; harvest < 6; ++harvest)
        log.begin_harvest();
    EXPECT_LT(log.heat(Gfn{512}), before / 2);
    EXPECT_GT(log.heat(Gfn{512}), before / 3);
    for (unsigned harvest = 0; harvest < 40; ++harvest)
        log.begin_harvest();
    EXPECT_EQ(log.heat(Gfn{512}), 0);
    EXPECT_EQ(log.heat(Gfn{kFrames}), 0) << "beyond it";
}

TEST_F(Log, NoMarkIsLostBetweenThoseWhoMarkAndWhoTakes) {
    constexpr unsigned kRounds = 200;
    log.start();
    std::atomic<unsigned> turn{0};
    std::atomic<unsigned> done{0};
    auto const mark_in_each_word = [&](std::uint64_t bit) {
        for (unsigned round = 1; round <= kRounds; ++round) {
            while (turn.load() != round)
                std::this_thread::yield();
            for (std::uint64_t word = 0; word < 64; ++word)
                log.mark(Gfn{word * 64 + bit});
            ++done;
        }
    };
    std::thread one{mark_in_each_word, 1}, two{mark_in_each_word, 2};
    std::vector<std::uint64_t> words(64), found(64);
    std::vector<std::uint64_t> const all(64, 6);
    auto const take_all = [&] {
        log.take(0, words);
        for (unsigned word = 0; word < 64; ++word)
            found[word] |= words[word];
    };
    bool lost = false;
    for (unsigned round = 1; round <= kRounds; ++round) {
        found.assign(64, 0);
        turn = round;
        while (done.load() != 2 * round)
            take_all();
        take_all(); // what was marked by now is there to be taken
        lost = lost || found != all;
    }
    one.join();
    two.join();
    EXPECT_FALSE(lost);
}

} // namespace
