#include "unit/migrate/streams.hpp"

#include <gtest/gtest.h>

namespace {

using namespace migrate;
using test::kSeed;
using test::page_of;

TEST(PageHash, DependsOnEveryOctetAndOnTheSeed) {
    auto page = page_of(3);
    auto const hash = hash_page(page, kSeed);
    EXPECT_NE(hash, hash_page(page, kSeed + 1));
    EXPECT_NE(hash.fingerprint, hash.check);
    for (std::size_t at = 0; at < page.size(); ++at) {
        page[at] ^= std::byte{1};
        auto const other = hash_page(page, kSeed);
        EXPECT_NE(other.fingerprint, hash.fingerprint) << at;
        EXPECT_NE(other.check, hash.check) << at;
        page[at] ^= std::byte{1};
    }
}

TEST(PageHash, IsTheSameByEitherCode) {
    for (int number = 0; number < 16; ++number) {
        auto const page = page_of(static_cast<unsigned char>(number));
        auto const hash = hash_page(page, kSeed);
        hash_pages_by(HashCode::plain);
        EXPECT_EQ(hash_page(page, kSeed), hash) << number;
        hash_pages_by(HashCode::vectors);
    }
}

TEST(ImageDigest, IsTheSameInWhateverOrderPagesCameAndWent) {
    ImageDigest straight;
    ImageDigest crooked;
    for (std::uint64_t i = 0; i < 10; ++i)
        straight.add(Gfn{i}, i * i, kSeed);
    for (std::uint64_t i = 10; i-- > 0;) {
        crooked.add(Gfn{i}, 77, kSeed);
        crooked.remove(Gfn{i}, 77, kSeed);
        crooked.add(Gfn{i}, i * i, kSeed);
    }
    EXPECT_EQ(straight, crooked);
}

TEST(ImageDigest, OfPartsIsTheirSum) {
    ImageDigest whole;
    ImageDigest even;
    ImageDigest odd;
    for (std::uint64_t i = 0; i < 10; ++i) {
        whole.add(Gfn{i}, i, kSeed);
        (i % 2 == 0 ? even : odd).add(Gfn{i}, i, kSeed);
    }
    even += odd;
    EXPECT_EQ(whole, even);
}

TEST(ImageDigest, KnowsWhereEachPageIs) {
    ImageDigest one;
    ImageDigest other;
    one.add(Gfn{1}, 5, kSeed);
    one.add(Gfn{2}, 6, kSeed);
    other.add(Gfn{1}, 6, kSeed);
    other.add(Gfn{2}, 5, kSeed);
    EXPECT_NE(one, other);
    EXPECT_EQ(one.pages, other.pages);
}

} // namespace
