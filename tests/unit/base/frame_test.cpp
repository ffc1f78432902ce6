#include "base/frame.hpp"

#include <gtest/gtest.h>

#include <concepts>

namespace {

using base::Gaddr;
using base::Gfn;
using base::Maddr;
using base::Mfn;
using base::Vaddr;

TEST(Frame, IsInvalidUnlessSaidOtherwise) {
    EXPECT_FALSE(Mfn{}.valid());
    EXPECT_TRUE(Mfn{0}.valid());
}

TEST(Frame, CountsForwardAndMeasuresDistances) {
    Mfn frame{10};
    EXPECT_EQ(frame + 5, Mfn{15});
    EXPECT_EQ(Mfn{15} - frame, 5U);
    EXPECT_EQ((++frame).raw(), 11U);
}

template <typename A, typename B>
concept Subtractable = requires(A a, B b) {
    a - b;
};

TEST(Frame, OfOneSpaceNeverMeetsAnother) {
    static_assert(Subtractable<Mfn, Mfn>);
    static_assert(!Subtractable<Mfn, Gfn>);
    static_assert(!std::constructible_from<Mfn, Gfn>);
    static_assert(!std::constructible_from<Vaddr, Maddr>);
}

TEST(Frame, AndItsAddressBelongTogether) {
    EXPECT_EQ(address_of(Mfn{0x12345}), Maddr{0x12345000});
    EXPECT_EQ(frame_of(Maddr{0x12345fff}), Mfn{0x12345});
    EXPECT_EQ(frame_of(Gaddr{0x1000}), Gfn{1});
    EXPECT_EQ(address_of(Gfn{1}).raw(), 0x1000U);
}

TEST(Frame, NeedForBytesIsRoundedUp) {
    EXPECT_EQ(base::frames_for(0), 0U);
    EXPECT_EQ(base::frames_for(1), 1U);
    EXPECT_EQ(base::frames_for(4096), 1U);
    EXPECT_EQ(base::frames_for(4097), 2U);
}

TEST(Address, HasAPageAndAnOffset) {
    Vaddr const address{0x7fff'1234'5678};
    EXPECT_EQ(address.page(), Vaddr{0x7fff'1234'5000});
    EXPECT_EQ(address.offset(), 0x678U);
}

TEST(Address, IsCanonicalWhereItsUpperBitsAgree) {
    EXPECT_TRUE(canonical(Vaddr{0}));
    EXPECT_TRUE(canonical(Vaddr{0x0000'7fff'ffff'ffff}));
    EXPECT_FALSE(canonical(Vaddr{0x0000'8000'0000'0000}));
    EXPECT_FALSE(canonical(Vaddr{0xffff'7fff'ffff'ffff}));
    EXPECT_TRUE(canonical(Vaddr{0xffff'8000'0000'0000}));
    EXPECT_TRUE(canonical(Vaddr{~std::uint64_t{0}}));
    EXPECT_FALSE(canonical(Vaddr{0x8000'0000'0000'0000}));
}

TEST(Address, SelectsOneEntryOfATableAtEachLevel) {
    Vaddr const address{(std::uint64_t{511} << 39) | (std::uint64_t{2} << 30) | (std::uint64_t{3} << 21) |
                        (std::uint64_t{4} << 12) | 5};
    EXPECT_EQ(table_index(address, 4), 511U);
    EXPECT_EQ(table_index(address, 3), 2U);
    EXPECT_EQ(table_index(address, 2), 3U);
    EXPECT_EQ(table_index(address, 1), 4U);
    EXPECT_EQ(table_index(Vaddr{0xffff'8000'0000'0000}, 4), 256U);
}

} // namespace
