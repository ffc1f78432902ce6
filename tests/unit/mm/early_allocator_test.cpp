#include "mm/early_allocator.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace {

using base::Error;
using base::Mfn;
using mm::EarlyAllocator;
using mm::FrameRange;

std::set<std::uint64_t> left(EarlyAllocator const& early) {
    std::set<std::uint64_t> frames;
    early.for_each_left([&](FrameRange const& range) {
        for (std::uint64_t i = 0; i < range.count; ++i)
            EXPECT_TRUE(frames.insert(range.first.raw() + i).second) << "twice: " << range.first.raw() + i;
    });
    EXPECT_EQ(frames.size(), early.frames_left());
    return frames;
}

TEST(EarlyAllocator, CutsRunsFromTheTop) {
    EarlyAllocator early;
    ASSERT_TRUE(early.add({Mfn{1}, 9}).ok());
    ASSERT_TRUE(early.add({Mfn{100}, 100}).ok());
    EXPECT_EQ(early.allocate(10).value(), Mfn{190});
    EXPECT_EQ(early.allocate(1).value(), Mfn{189});
    EXPECT_EQ(early.end(), Mfn{200});
    EXPECT_EQ(early.frames_left(), 98u);
}

TEST(EarlyAllocator, AlignsAndKeepsWhatItSkipped) {
    EarlyAllocator early;
    ASSERT_TRUE(early.add({Mfn{100}, 100}).ok());
    EXPECT_EQ(early.allocate(3, 64).value(), Mfn{192});
    EXPECT_EQ(early.frames_left(), 97u);
    EXPECT_EQ(early.allocate(6).value(), Mfn{186});
    EXPECT_EQ(early.allocate(5).value(), Mfn{195});
}

TEST(EarlyAllocator, StaysBelowALimit) {
    EarlyAllocator early;
    ASSERT_TRUE(early.add({Mfn{0}, 1000}).ok());
    EXPECT_EQ(early.allocate(10, 1, Mfn{256}).value(), Mfn{246});
    EXPECT_EQ(early.allocate(247, 1, Mfn{256}).error(), Error::no_memory);
}

TEST(EarlyAllocator, RefusesNothingAndTooMuch) {
    EarlyAllocator early;
    ASSERT_TRUE(early.add({Mfn{8}, 8}).ok());
    EXPECT_EQ(early.allocate(0).error(), Error::invalid);
    EXPECT_EQ(early.allocate(9).error(), Error::no_memory);
    EXPECT_EQ(early.allocate(1, 1024).error(), Error::no_memory);
    EXPECT_EQ(early.allocate(~std::uint64_t{0}).error(), Error::no_memory);
    EXPECT_EQ(early.frames_left(), 8u);
}

TEST(EarlyAllocator, CountsOverlappingRangesOnce) {
    EarlyAllocator early;
    ASSERT_TRUE(early.add({Mfn{10}, 10}).ok());
    ASSERT_TRUE(early.add({Mfn{15}, 10}).ok());
    ASSERT_TRUE(early.add({Mfn{5}, 30}).ok());
    EXPECT_EQ(left(early).size(), 30u);
}

TEST(EarlyAllocator, NeverHandsOutWhatIsReserved) {
    EarlyAllocator early;
    ASSERT_TRUE(early.add({Mfn{0}, 32}).ok());
    ASSERT_TRUE(early.add({Mfn{64}, 32}).ok());
    ASSERT_TRUE(early.reserve({Mfn{10}, 4}).ok());   // cuts in two
    ASSERT_TRUE(early.reserve({Mfn{30}, 40}).ok());  // an end and a beginning
    ASSERT_TRUE(early.reserve({Mfn{500}, 10}).ok()); // not ours at all
    ASSERT_TRUE(early.reserve({Mfn{20}, 0}).ok());
    auto const frames = left(early);
    EXPECT_EQ(frames.size(), 10u + 16u + 26u);
    for (std::uint64_t frame : {10u, 13u, 30u, 31u, 64u, 69u})
        EXPECT_FALSE(frames.contains(frame)) << frame;
}

TEST(EarlyAllocator, DropsMemoryRatherThanLosingTrackOfIt) {
    EarlyAllocator early;
    for (std::size_t i = 0; i < EarlyAllocator::kMaxRanges; ++i)
        ASSERT_TRUE(early.add({Mfn{i * 10}, 5}).ok());
    EXPECT_EQ(early.add({Mfn{100'000}, 5}).error(), Error::no_space);
    EXPECT_EQ(early.reserve({Mfn{2}, 1}).error(), Error::no_space);
    auto const frames = left(early);
    EXPECT_TRUE(frames.contains(1));
    EXPECT_FALSE(frames.contains(2));
    EXPECT_FALSE(frames.contains(3)); // unused from now on
    // A range that is used up leaves room for another.
    EXPECT_EQ(early.allocate(5).value(), Mfn{(EarlyAllocator::kMaxRanges - 1) * 10});
    EXPECT_TRUE(early.reserve({Mfn{12}, 1}).ok());
    EXPECT_TRUE(left(early).contains(13));
}

TEST(EarlyAllocator, AgreesWithASetOfFrames) {
    std::mt19937 random{7};
    auto const below = [&](std::uint64_t end) { return random() % end; };
    for (int round = 0; round < 50; ++round) {
        EarlyAllocator early;
        std::set<std::uint64_t> model;
        for (int i = 0; i < 8; ++i) {
            FrameRange const ram{Mfn{below(2000)}, below(300)};
            ASSERT_TRUE(early.add(ram).ok());
            for (std::uint64_t n = 0; n < ram.count; ++n)
                model.insert(ram.first.raw() + n);
        }
        for (int i = 0; i < 8; ++i) {
            FrameRange const used{Mfn{below(2000)}, below(100)};
            ASSERT_TRUE(early.reserve(used).ok());
            for (std::uint64_t n = 0; n < used.count; ++n)
                model.erase(used.first.raw() + n);
        }
        for (int i = 0; i < 20; ++i) {
            auto const count = 1 + below(40);
            auto const alignment = std::uint64_t{1} << below(6);
            auto const run = early.allocate(count, alignment);
            if (!run.ok())
                continue;
            ASSERT_EQ(run.value().raw() % alignment, 0u);
            for (std::uint64_t n = 0; n < count; ++n)
                ASSERT_EQ(model.erase(run.value().raw() + n), 1u);
        }
        ASSERT_EQ(left(early), model);
    }
}

} // namespace
