#include "unit/migrate/streams.hpp"

#include <gtest/gtest.h>

namespace {

using namespace migrate;
using test::layout_of;
using test::Octets;

TEST(MemoryLayout, NumbersItsFramesWithoutHoles) {
    auto const layout = layout_of({{5, 3}, {10, 1}, {1000, 2}});
    EXPECT_EQ(layout.frames(), 6U);
    std::vector<std::uint64_t> const gfns{5, 6, 7, 10, 1000, 1001};
    for (std::uint64_t i = 0; i < gfns.size(); ++i) {
        EXPECT_EQ(layout.frame_at(i), Gfn{gfns[i]});
        EXPECT_EQ(layout.index_of(Gfn{gfns[i]}), i);
    }
    for (std::uint64_t const gfn : {0ULL, 4ULL, 8ULL, 9ULL, 11ULL, 999ULL, 1002ULL, ~0ULL})
        EXPECT_FALSE(layout.index_of(Gfn{gfn})) << gfn;
    EXPECT_FALSE(MemoryLayout{}.index_of(Gfn{0}));
}

TEST(MemoryLayout, JoinsWhatTouchesAndRefusesWhatOverlaps) {
    MemoryLayout layout;
    EXPECT_TRUE(layout.append(Gfn{0}, 4));
    EXPECT_TRUE(layout.append(Gfn{4}, 4));
    EXPECT_EQ(layout, layout_of({{0, 8}}));
    EXPECT_FALSE(layout.append(Gfn{7}, 1));
    EXPECT_FALSE(layout.append(Gfn{8}, 0));
    EXPECT_FALSE(layout.append(Gfn{kGfnLimit}, 1));
    EXPECT_FALSE(layout.append(Gfn{kGfnLimit - 1}, 2));
    EXPECT_FALSE(layout.append(Gfn{9}, ~std::uint64_t{0}));
    EXPECT_TRUE(layout.append(Gfn{kGfnLimit - 1}, 1));
    EXPECT_EQ(layout.frames(), 9U);
}

TEST(MemoryLayout, IsReadAsItWasWritten) {
    auto const layout = layout_of({{0, 1}, {3, 70'000}, {kGfnLimit - 2, 2}});
    Octets payload;
    ASSERT_TRUE(layout.write(payload));
    ASSERT_EQ(payload.size(), 8U + 3 * 16);
    auto const read = MemoryLayout::parse(payload);
    ASSERT_TRUE(read);
    EXPECT_EQ(read.value(), layout);
}

TEST(MemoryLayout, WithMoreRunsThanARecordHoldsIsNotWritten) {
    MemoryLayout layout;
    for (std::uint64_t i = 0; i < (16 << 20) / 16; ++i)
        ASSERT_TRUE(layout.append(Gfn{2 * i}, 1));
    Octets payload;
    EXPECT_FALSE(layout.write(payload));
    EXPECT_TRUE(payload.empty());
}

TEST(MemoryLayout, IsRefusedIfMalformed) {
    using Runs = std::vector<format::LayoutRun>;
    auto const refused = [](std::uint32_t runs, std::uint32_t reserved, Runs const& list) {
        Octets payload;
        put_value(payload, format::LayoutHead{runs, reserved});
        for (auto const& run : list)
            put_value(payload, run);
        auto const layout = MemoryLayout::parse(payload);
        return !layout && layout.error() == StreamError::bad_layout;
    };
    EXPECT_FALSE(refused(2, 0, {{0, 1}, {2, 1}}));
    EXPECT_TRUE(refused(0, 0, {}));                       // nothing
    EXPECT_TRUE(refused(2, 1, {{0, 1}, {2, 1}}));         // reserved
    EXPECT_TRUE(refused(1, 0, {{0, 1}, {2, 1}}));         // more than it says
    EXPECT_TRUE(refused(3, 0, {{0, 1}, {2, 1}}));         // fewer
    EXPECT_TRUE(refused(0xffffffff, 0, {{0, 1}}));        // far fewer
    EXPECT_TRUE(refused(1, 0, {{0, 0}}));                 // empty
    EXPECT_TRUE(refused(2, 0, {{2, 1}, {0, 1}}));         // falling
    EXPECT_TRUE(refused(2, 0, {{0, 2}, {1, 1}}));         // overlapping
    EXPECT_TRUE(refused(2, 0, {{0, 2}, {2, 1}}));         // touching
    EXPECT_TRUE(refused(1, 0, {{0, ~std::uint64_t{0}}})); // beyond all numbers
    EXPECT_FALSE(MemoryLayout::parse({}));
    EXPECT_FALSE(MemoryLayout::parse(Octets(7)));
}

} // namespace
