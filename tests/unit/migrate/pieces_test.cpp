#include "migrate/pieces.hpp"

#include "unit/migrate/changes.hpp"

#include <gtest/gtest.h>

namespace {

using namespace migrate;
using test::kSeed;
using test::Octets;
using test::page_of;

constexpr std::size_t kMost = 2048;

struct Encoded {
    bool worth_it = false;
    Octets octets;
};
Encoded encode(Page const& before, Page const& now, std::size_t most = kMost) {
    Encoded made;
    made.worth_it = encode_pieces(hash_pieces(before, kSeed), hash_pieces(now, kSeed), now, most, made.octets);
    return made;
}
Page applied(Octets const& octets, Page const& page) { return test::made_by(apply_pieces, octets, page); }

TEST(Pieces, MakeOnePageOfTheOther) {
    std::mt19937 random{1};
    unsigned encoded = 0;
    for (unsigned round = 0; round < 300; ++round) {
        auto const before = test::random_page(random);
        auto now = before;
        for (auto changes = 1 + random() % 12; changes > 0; --changes)
            now[random() % now.size()] ^= std::byte{1};
        if (now == before)
            continue;
        auto const made = encode(before, now);
        if (!made.worth_it) {
            EXPECT_TRUE(made.octets.empty());
            continue;
        }
        EXPECT_LE(made.octets.size(), 2 + kMost);
        EXPECT_EQ(applied(made.octets, before), now);
        ++encoded;
    }
    EXPECT_GT(encoded, 200U);
}

TEST(Pieces, AreOnlyThoseInWhichSomethingHasChanged) {
    auto now = page_of(1);
    now.front() = now.back() = std::byte{2};
    auto const made = encode(page_of(1), now);
    ASSERT_TRUE(made.worth_it);
    EXPECT_EQ(made.octets.size(), 2 + 2 * kPieceOctets);
    EXPECT_EQ(made.octets[0], std::byte{0x01});
    EXPECT_EQ(made.octets[1], std::byte{0x80});
    EXPECT_EQ(applied(made.octets, page_of(1)), now);
}

TEST(Pieces, OfEqualPagesAreNone) { EXPECT_FALSE(encode(page_of(1), page_of(1)).worth_it); }

TEST(Pieces, ThatWouldBeMoreThanAllowedAreNotMade) {
    EXPECT_FALSE(encode(page_of(1), page_of(2)).worth_it);
    EXPECT_TRUE(encode(page_of(1), page_of(2), base::kPageSize).worth_it);
}

TEST(Pieces, ThatAreMissingOrNoneAreMalformed) {
    auto now = page_of(1);
    now[5 * kPieceOctets] = std::byte{7};
    auto made = encode(page_of(1), now).octets;
    for (std::size_t size = 0; size < made.size(); ++size) {
        auto page = page_of(1);
        auto contents = Bytes{made}.first(size);
        EXPECT_FALSE(apply_pieces(contents, page)) << size;
    }
    made[0] = made[1] = std::byte{0};
    auto page = page_of(1);
    Bytes contents{made};
    EXPECT_FALSE(apply_pieces(contents, page)) << "a page of which nothing differs is not sent so";
}

} // namespace
