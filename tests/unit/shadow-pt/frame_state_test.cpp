#include "shadow_pt/frame_state.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace {

using base::Error;
using base::Mfn;
using shadow_pt::FrameState;
using shadow_pt::TableStep;
using shadow_pt::Unpin;
using shadow_pt::Use;
using shadow_pt::UseWord;

struct OwnedFrame : FrameState {
    OwnedFrame() { make_available(); }
};

TEST(FrameState, ZeroedMemoryIsAFreeFrame) {
    FrameState const frame;
    EXPECT_EQ(frame.use(), Use::free);
    EXPECT_FALSE(frame.link().valid());
}

TEST(FrameState, AFreeFrameIsRefusedToEveryUse) {
    FrameState frame;
    EXPECT_EQ(frame.get_writable().error(), Error::invalid);
    EXPECT_EQ(frame.get(Use::descriptor).error(), Error::invalid);
    EXPECT_EQ(frame.get_table(1), TableStep::refused);
}

TEST(FrameState, CountsItsWritersAndIsNothingAfterTheLast) {
    OwnedFrame frame;
    ASSERT_TRUE(frame.get_writable().ok());
    ASSERT_TRUE(frame.get_writable().ok());
    EXPECT_EQ(frame.word().count(), 2u);
    frame.put_writable();
    EXPECT_EQ(frame.use(), Use::writable);
    frame.put_writable();
    EXPECT_EQ(frame.word(), UseWord(Use::none, 0));
}

TEST(FrameState, WritableAndTableExcludeEachOther) { // SP-1
    OwnedFrame frame;
    ASSERT_TRUE(frame.get_writable().ok());
    EXPECT_EQ(frame.get_table(1), TableStep::refused);
    EXPECT_EQ(frame.get(Use::descriptor).error(), Error::invalid);
    frame.put_writable();
    ASSERT_EQ(frame.get_table(1), TableStep::claimed);
    EXPECT_EQ(frame.get_writable().error(), Error::invalid) << "already while it is being built";
    frame.built();
    EXPECT_EQ(frame.get_writable().error(), Error::invalid);
}

TEST(FrameState, LevelsExcludeEachOther) { // SP-1
    for (unsigned level = 1; level <= 4; ++level) {
        OwnedFrame frame;
        ASSERT_EQ(frame.get_table(level), TableStep::claimed);
        frame.built();
        for (unsigned other = 1; other <= 4; ++other)
            EXPECT_EQ(frame.get_table(other), other == level ? TableStep::done : TableStep::refused);
    }
}

/// A frame whose word says what no test could count up to.
struct CraftedFrame : FrameState {
    explicit CraftedFrame(UseWord word) {
        auto const raw = word.raw();
        std::memcpy(static_cast<void*>(this), &raw, sizeof raw); // the word comes first
    }
};

TEST(FrameState, AFullCountRefusesInsteadOfWrapping) { // SP-1
    CraftedFrame data{UseWord{Use::writable, UseWord::kMaxCount}};
    EXPECT_EQ(data.get_writable().error(), Error::invalid);
    CraftedFrame table{UseWord{Use::l3, UseWord::kMaxCount}};
    EXPECT_EQ(table.get_table(3), TableStep::refused);
    EXPECT_EQ(table.word(), UseWord(Use::l3, UseWord::kMaxCount));
}

TEST(FrameState, ATableIsReadyOnlyWhenItIsBuilt) { // SP-9
    OwnedFrame frame;
    ASSERT_EQ(frame.get_table(2), TableStep::claimed);
    EXPECT_TRUE(frame.word().partial() && frame.word().locked());
    EXPECT_EQ(frame.word().count(), 0u);
    frame.pause(17);
    EXPECT_FALSE(frame.word().locked());
    ASSERT_EQ(frame.get_table(2), TableStep::build) << "whoever asks goes on";
    EXPECT_EQ(frame.word().cursor(), 17u);
    frame.built();
    EXPECT_EQ(frame.word(), UseWord(Use::l2, 1));
}

TEST(FrameState, AnEntryBehindTheCursorIsLookedAtAgain) {
    OwnedFrame frame;
    ASSERT_EQ(frame.get_table(3), TableStep::claimed);
    frame.pause(100);
    ASSERT_TRUE(frame.lock_table(3));
    frame.revisit(200);
    EXPECT_EQ(frame.word().cursor(), 100u);
    frame.revisit(40);
    EXPECT_EQ(frame.word().cursor(), 40u);
}

TEST(FrameState, TheLastUserStaysCountedUntilItHasLeft) { // SP-9
    OwnedFrame frame;
    ASSERT_EQ(frame.get_table(4), TableStep::claimed);
    frame.built();
    ASSERT_EQ(frame.get_table(4), TableStep::done);
    EXPECT_EQ(frame.put_table(4), TableStep::done);
    EXPECT_EQ(frame.put_table(4), TableStep::last);
    EXPECT_EQ(frame.word().count(), 1u);
    EXPECT_TRUE(frame.word().partial()) << "nobody may use it as it is";
    frame.left();
    EXPECT_EQ(frame.word(), UseWord(Use::none, 0));
}

TEST(FrameState, ATableThatIsWantedAgainWhileItsLastUserLeavesIsBuiltAgain) {
    OwnedFrame frame;
    ASSERT_EQ(frame.get_table(4), TableStep::claimed);
    frame.built();
    ASSERT_EQ(frame.put_table(4), TableStep::last);
    frame.pause(0);
    ASSERT_EQ(frame.get_table(4), TableStep::build);
    frame.built();
    EXPECT_EQ(frame.word().count(), 2u);
    EXPECT_EQ(frame.put_table(4), TableStep::done) << "the one who was leaving goes on";
    EXPECT_EQ(frame.word(), UseWord(Use::l4, 1));
}

TEST(FrameState, IsPinnedOnce) {
    OwnedFrame frame;
    ASSERT_EQ(frame.get_table(1), TableStep::claimed);
    frame.built();
    EXPECT_TRUE(frame.pin());
    EXPECT_FALSE(frame.pin());
    ASSERT_EQ(frame.get_table(1), TableStep::done);
    EXPECT_EQ(frame.put_table(1, Unpin::yes), TableStep::done);
    EXPECT_FALSE(frame.word().pinned());
}

TEST(FrameState, ASecondUnpinIsRefusedAndTakesNothing) {
    OwnedFrame frame;
    ASSERT_EQ(frame.get_table(1), TableStep::claimed);
    frame.built();
    EXPECT_EQ(frame.put_table(1, Unpin::yes), TableStep::refused);
    EXPECT_EQ(frame.word(), UseWord(Use::l1, 1));
    ASSERT_TRUE(frame.pin());
    ASSERT_EQ(frame.put_table(1, Unpin::yes), TableStep::last);
    frame.left();
    EXPECT_EQ(frame.put_table(1, Unpin::yes), TableStep::refused) << "another CPU was faster";
}

TEST(FrameState, LocksOnlyATableOfThatLevel) {
    OwnedFrame frame;
    EXPECT_FALSE(frame.lock_table(1));
    ASSERT_EQ(frame.get_table(1), TableStep::claimed);
    frame.built();
    EXPECT_FALSE(frame.lock_table(2));
    EXPECT_TRUE(frame.lock_table(1));
    EXPECT_TRUE(frame.word().locked());
    frame.unlock_table();
    EXPECT_FALSE(frame.word().locked());
}

TEST(FrameState, RemembersItsShadow) {
    OwnedFrame frame;
    frame.set_link(Mfn{0xffff'ffff});
    EXPECT_EQ(frame.link(), Mfn{0xffff'ffff});
    frame.clear_link();
    EXPECT_FALSE(frame.link().valid());
}

TEST(FrameState, TheLockExcludesThreads) { // SP-8
    OwnedFrame frame;
    ASSERT_EQ(frame.get_table(1), TableStep::claimed);
    frame.built();
    constexpr unsigned kRounds = 20'000;
    std::uint64_t guarded = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 3; ++i)
        threads.emplace_back([&] {
            for (unsigned round = 0; round < kRounds; ++round) {
                ASSERT_TRUE(frame.lock_table(1));
                ++guarded;
                frame.unlock_table();
                ASSERT_EQ(frame.get_table(1), TableStep::done); // counts move beside the lock
                ASSERT_EQ(frame.put_table(1), TableStep::done);
            }
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(guarded, 3 * kRounds);
    EXPECT_EQ(frame.word(), UseWord(Use::l1, 1));
}

} // namespace
