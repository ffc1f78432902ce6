#include "unit/migrate/streams.hpp"

#include <functional>

#include <gtest/gtest.h>

namespace {

using namespace migrate;
using test::entry_of;
using test::Octets;
using test::page_of;

struct Batch : testing::Test {
    BatchBuilder builder;
    Compressor compressor;
    Decompressor decompressor;
    Octets room;

    EncodedBatch some(bool packed) {
        builder.add(entry_of(Gfn{1}, PageClass::full, page_of(1)), page_of(1));
        builder.add(entry_of(Gfn{5}, PageClass::zero), {});
        builder.add(entry_of(Gfn{6}, PageClass::same, page_of(6)), {});
        builder.add(entry_of(Gfn{kGfnLimit - 1}, PageClass::absent), {});
        return builder.finish(3, packed ? &compressor : nullptr, 1);
    }
};

TEST_F(Batch, IsReadAsItWasMadePackedAndPlain) {
    for (bool const packed : {false, true}) {
        auto const made = some(packed);
        EXPECT_EQ(made.counts, (PageCounts{1, 1, 0, 1, 1}));
        EXPECT_EQ(made.payload.size() < 200, packed);
        auto const read = PageBatch::parse(made.payload);
        ASSERT_TRUE(read);
        auto const& batch = read.value();
        EXPECT_EQ(batch.round(), 3U);
        EXPECT_EQ(batch.counts(), made.counts);
        EXPECT_EQ(batch.payload_size(), made.payload.size());
        ASSERT_EQ(batch.count(), 4U);
        EXPECT_EQ(batch.entry(0), entry_of(Gfn{1}, PageClass::full, page_of(1)));
        EXPECT_EQ(batch.entry(1), entry_of(Gfn{5}, PageClass::zero));
        EXPECT_EQ(batch.entry(2), entry_of(Gfn{6}, PageClass::same, page_of(6)));
        EXPECT_EQ(batch.entry(3), entry_of(Gfn{kGfnLimit - 1}, PageClass::absent));
        auto const contents = batch.contents(decompressor, room);
        ASSERT_TRUE(contents);
        EXPECT_TRUE(std::ranges::equal(contents.value(), page_of(1)));
    }
}

TEST_F(Batch, OfNoiseIsLeftPlain) {
    std::mt19937 random{1};
    Page noise;
    std::generate(noise.begin(), noise.end(), [&] { return static_cast<std::byte>(random()); });
    builder.add(entry_of(Gfn{0}, PageClass::full, noise), noise);
    auto const made = builder.finish(0, &compressor, 3);
    EXPECT_EQ(made.payload.size(), 16 + 16 + noise.size());
    EXPECT_TRUE(PageBatch::parse(made.payload));
}

TEST_F(Batch, HoldsAsManyPagesAsARecordDoes) {
    for (std::uint64_t i = 0; !builder.full(); ++i)
        builder.add(entry_of(Gfn{i}, PageClass::full, page_of(1)), page_of(1));
    EXPECT_EQ(builder.count(), kMostBatchPages);
    auto const made = builder.finish(0, nullptr, 0);
    EXPECT_EQ(made.payload.size(), most_payload(RecordType::page_batch));
    EXPECT_TRUE(PageBatch::parse(made.payload));
}

/// The refusal of a batch after @p change; StreamError::last if it was read.
StreamError refusal_after(Octets payload, std::function<void(Octets&)> const& change) {
    change(payload);
    auto const read = PageBatch::parse(payload);
    if (!read)
        return read.error();
    Decompressor decompressor;
    Octets room;
    auto const contents = read.value().contents(decompressor, room);
    return contents ? StreamError::last : contents.error();
}

TEST_F(Batch, IsRefusedCutOffAtEveryPlaceAndWithMoreBehindIt) {
    for (bool const packed : {false, true}) {
        auto const payload = some(packed).payload;
        EXPECT_EQ(refusal_after(payload, [](Octets&) {}), StreamError::last);
        for (std::size_t size = 0; size < payload.size(); ++size)
            EXPECT_EQ(refusal_after(payload, [&](Octets& it) { it.resize(size); }), StreamError::bad_batch) << size;
        EXPECT_EQ(refusal_after(payload, [](Octets& it) { it.emplace_back(); }), StreamError::bad_batch);
    }
}

TEST_F(Batch, IsRefusedIfItsNumbersLie) {
    auto const payload = some(true).payload;
    auto const refusal = [&](std::size_t at, std::uint8_t value) {
        return refusal_after(payload, [&](Octets& it) { it[at] = std::byte{value}; });
    };
    EXPECT_EQ(refusal(4, 0), StreamError::bad_batch);             // no pages
    EXPECT_EQ(refusal(4, 3), StreamError::bad_batch);             // fewer pages than entries
    EXPECT_EQ(refusal(5, 1), StreamError::bad_batch);             // 260 pages
    EXPECT_EQ(refusal(6, 0), StreamError::bad_batch);             // plain, and two sizes
    EXPECT_EQ(refusal(6, 2), StreamError::bad_batch);             // a coding that nobody knows
    EXPECT_EQ(refusal(7, 1), StreamError::bad_batch);             // reserved
    EXPECT_EQ(refusal(9, 0x20), StreamError::bad_batch);          // contents of two pages for one
    EXPECT_EQ(refusal(12, 1), StreamError::bad_batch);            // another length
    EXPECT_EQ(refusal(16 + 7, 0x00), StreamError::bad_batch);     // class 0
    EXPECT_EQ(refusal(16 + 7, 0x70), StreamError::bad_batch);     // class 7
    EXPECT_EQ(refusal(16 + 7, 0x20), StreamError::bad_batch);     // a zero page with contents
    EXPECT_EQ(refusal(16 + 5, 0x01), StreamError::bad_batch);     // reserved bits
    EXPECT_EQ(refusal(16 + 0, 0x05), StreamError::bad_batch);     // a frame twice
    EXPECT_EQ(refusal(16 + 1, 0x05), StreamError::bad_batch);     // falling
    EXPECT_EQ(refusal(16 + 56, 0x05), StreamError::bad_batch);    // absent, with a fingerprint
    EXPECT_EQ(refusal(16 + 64, 0x00), StreamError::bad_contents); // no zstd frame
}

TEST_F(Batch, UnpacksNothingThatIsOfAnotherSizeThanItSays) {
    auto const forge = [&](Octets const& frame, std::uint32_t decoded) {
        Octets payload;
        put_value(payload, format::BatchHead{0, 1, 1, 0, decoded, static_cast<std::uint32_t>(frame.size())});
        put_value(payload, format::BatchEntry{std::uint64_t{1} << format::kClassShift, 0});
        put(payload, frame);
        return refusal_after(payload, [](Octets&) {});
    };
    Octets frame;
    ASSERT_TRUE(compressor.pack(page_of(1), 1, frame));
    EXPECT_EQ(forge(frame, 4096), StreamError::last);
    Octets bomb;
    ASSERT_TRUE(compressor.pack(Octets(64 << 20), 1, bomb));
    EXPECT_EQ(forge(bomb, 4096), StreamError::bad_contents);
    auto two = frame;
    put(two, frame);
    EXPECT_EQ(forge(two, 4096), StreamError::bad_contents); // what follows the frame
    auto broken = frame;
    broken.back() ^= std::byte{0xff};
    EXPECT_NE(forge(broken, 4096), StreamError::bad_batch);
}

} // namespace
