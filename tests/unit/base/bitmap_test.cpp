#include "base/bitmap.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace {

using base::Bitmap;
using testing::ElementsAre;
using testing::IsEmpty;

template <std::size_t Bits> std::vector<std::size_t> members(Bitmap<Bits> const& set) {
    std::vector<std::size_t> found;
    set.for_each([&](std::size_t bit) { found.push_back(bit); });
    return found;
}

TEST(Bitmap, StartsEmpty) {
    Bitmap<130> const set;
    EXPECT_TRUE(set.none());
    EXPECT_THAT(members(set), IsEmpty());
}

TEST(Bitmap, HoldsWhatWasSetAndNotCleared) {
    Bitmap<130> set;
    for (auto const bit : {0U, 63U, 64U, 129U})
        set.set(bit);
    set.clear(63);
    EXPECT_TRUE(set.test(64));
    EXPECT_FALSE(set.test(63));
    EXPECT_THAT(members(set), ElementsAre(0, 64, 129));
}

TEST(Bitmap, FindsTheNextMemberAtOrAfterAPlace) {
    Bitmap<130> set;
    set.set(5);
    set.set(128);
    EXPECT_EQ(set.find_next(0), 5U);
    EXPECT_EQ(set.find_next(5), 5U);
    EXPECT_EQ(set.find_next(6), 128U);
    EXPECT_EQ(set.find_next(129), set.size());
    EXPECT_EQ(set.find_next(500), set.size());
}

TEST(Bitmap, JoinsAndIntersects) {
    Bitmap<70> a;
    Bitmap<70> b;
    a.set(1);
    a.set(69);
    b.set(69);
    b.set(2);
    auto both = a;
    both |= b;
    EXPECT_THAT(members(both), ElementsAre(1, 2, 69));
    a &= b;
    EXPECT_THAT(members(a), ElementsAre(69));
    EXPECT_NE(a, b);
    a.clear_all();
    EXPECT_TRUE(a.none());
}

TEST(BitmapDeathTest, APlaceBeyondItsEndIsABug) {
    Bitmap<70> set;
    EXPECT_DEATH(set.set(70), "assertion failed");
    EXPECT_DEATH((void)set.test(127), "assertion failed");
}

} // namespace
