#include "base/bytes.hpp"

#include <array>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#include "base/fixed_vector.hpp"

namespace {

constexpr std::array kFour{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};

TEST(Bytes, LoadsLittleEndianValuesAtAnyAlignment) {
    EXPECT_EQ(base::load<std::uint32_t>(kFour), 0x04030201U);
    EXPECT_EQ(base::load<std::uint16_t>(kFour, 1), 0x0302U);
}

TEST(Bytes, LoadsNothingThatReachesPastTheEnd) {
    EXPECT_FALSE(base::load<std::uint32_t>(kFour, 1));
    EXPECT_FALSE(base::load<std::uint8_t>(kFour, 4));
    EXPECT_FALSE(base::load<std::uint64_t>(kFour));
    EXPECT_FALSE(base::load<std::uint8_t>(base::Bytes{}));
}

TEST(Bytes, SlicesDoNotOverflow) {
    constexpr auto kHuge = std::numeric_limits<std::size_t>::max();
    EXPECT_FALSE(base::slice(kFour, kHuge, 1));
    EXPECT_FALSE(base::slice(kFour, 2, kHuge));
    EXPECT_FALSE(base::slice(kFour, kHuge, kHuge));
    ASSERT_TRUE(base::slice(kFour, 4, 0));
    EXPECT_EQ(base::slice(kFour, 1, 3)->size(), 3U);
}

TEST(FixedVector, SaysWhenItIsFullAndKeepsWhatItHas) {
    base::FixedVector<int, 2> list;
    EXPECT_TRUE(list.empty());
    EXPECT_TRUE(list.push_back(7));
    EXPECT_TRUE(list.push_back(8));
    EXPECT_TRUE(list.full());
    EXPECT_FALSE(list.push_back(9));
    EXPECT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0] + list.back(), 15);
    list.truncate(1);
    EXPECT_EQ(list.back(), 7);
}

} // namespace
