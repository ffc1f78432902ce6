#include "migrate/delta.hpp"

#include "unit/migrate/changes.hpp"

#include <gtest/gtest.h>

namespace {

using namespace migrate;
using test::Octets;
using test::page_of;

Page applied(Octets const& delta, Page const& page) { return test::made_by(apply_delta, delta, page); }

TEST(Delta, MakesOnePageOfTheOther) {
    std::mt19937 random{1};
    unsigned encoded = 0;
    for (unsigned round = 0; round < 300; ++round) {
        auto const before = test::random_page(random);
        auto now = before;
        for (auto changes = random() % 150; changes > 0; --changes)
            now[random() % now.size()] ^= static_cast<std::byte>(random());
        Octets delta;
        if (!encode_delta(before, now, kMostDelta, delta)) {
            EXPECT_TRUE(delta.empty());
            continue;
        }
        EXPECT_LE(delta.size(), kMostDelta + 2);
        EXPECT_EQ(applied(delta, before), now);
        ++encoded;
    }
    EXPECT_GT(encoded, 100U);
}

TEST(Delta, OfEqualPagesIsEmpty) {
    Octets delta;
    EXPECT_TRUE(encode_delta(page_of(1), page_of(1), 0, delta));
    EXPECT_EQ(delta, Octets(2));
    EXPECT_EQ(applied(delta, page_of(3)), page_of(3));
}

TEST(Delta, ReachesTheFirstAndTheLastWord) {
    auto now = page_of(1);
    now.front() = now.back() = std::byte{2};
    Octets delta;
    EXPECT_TRUE(encode_delta(page_of(1), now, 24, delta));
    EXPECT_EQ(delta.size(), 2U + 2 * 12);
    EXPECT_EQ(applied(delta, page_of(1)), now);
}

TEST(Delta, ThatWouldBeLongerThanAllowedIsNotMade) {
    Octets delta{std::byte{9}};
    EXPECT_FALSE(encode_delta(page_of(1), page_of(2), kMostDelta, delta));
    EXPECT_EQ(delta, Octets{std::byte{9}});
    auto one = page_of(1);
    one[0] = std::byte{0};
    EXPECT_FALSE(encode_delta(page_of(1), one, 11, delta));
    EXPECT_TRUE(encode_delta(page_of(1), one, 12, delta));
}

bool refused(std::vector<std::uint16_t> const& numbers) {
    Octets delta;
    for (auto const one : numbers)
        put_value(delta, one);
    Bytes contents{delta};
    Page page{};
    return !apply_delta(contents, page);
}

TEST(Delta, IsRefusedIfMalformed) {
    EXPECT_FALSE(refused({12, 511, 1, 1, 1, 1, 1}));
    EXPECT_TRUE(refused({}));                       // nothing
    EXPECT_TRUE(refused({12, 511, 1, 1, 1, 1}));    // cut off
    EXPECT_TRUE(refused({4, 0, 0}));                // an empty run
    EXPECT_TRUE(refused({2, 0}));                   // half a run's head
    EXPECT_TRUE(refused({4, 0, 1}));                // a run without its words
    EXPECT_TRUE(refused({12, 512, 1, 1, 1, 1, 1})); // beyond the page
    EXPECT_TRUE(refused({20, 511, 2, 1, 1, 1, 1, 1, 1, 1, 1}));
    EXPECT_TRUE(refused({24, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1})); // falling
    EXPECT_TRUE(refused({24, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1})); // touching
    EXPECT_FALSE(refused({24, 1, 1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1}));
    std::vector<std::uint16_t> long_one{4096};
    long_one.resize(3000);
    EXPECT_TRUE(refused(long_one));
}

} // namespace
