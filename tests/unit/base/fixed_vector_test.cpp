#include "base/fixed_vector.hpp"

#include <gmock/gmock.h>

#include <span>

namespace {

using base::FixedVector;
using testing::ElementsAre;

template <std::size_t N> std::span<int const> seen(FixedVector<int, N> const& list) {
    return {list.begin(), list.size()};
}

TEST(FixedVector, SaysWhenItIsFullAndKeepsWhatItHas) {
    FixedVector<int, 2> list;
    EXPECT_TRUE(list.empty());
    EXPECT_TRUE(list.push_back(1));
    EXPECT_TRUE(list.push_back(2));
    EXPECT_TRUE(list.full());
    EXPECT_FALSE(list.push_back(3));
    EXPECT_THAT(seen(list), ElementsAre(1, 2));
    EXPECT_EQ(list.back(), 2);
}

TEST(FixedVector, IsCutOffAndEmptied) {
    FixedVector<int, 4> list;
    for (int i = 0; i < 4; ++i)
        ASSERT_TRUE(list.push_back(i));
    list.truncate(1);
    EXPECT_THAT(seen(list), ElementsAre(0));
    list.clear();
    EXPECT_TRUE(list.empty());
}

TEST(FixedVectorDeathTest, ReachingBehindItsEndIsABug) {
    FixedVector<int, 4> list;
    ASSERT_TRUE(list.push_back(7));
    EXPECT_DEATH((void)list[1], "assertion failed");
    EXPECT_DEATH(list.truncate(2), "assertion failed");
}

} // namespace
