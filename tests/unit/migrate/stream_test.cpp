/// What a writer writes is what a reader reads.
#include "unit/migrate/streams.hpp"

#include <gtest/gtest.h>

namespace {

using namespace migrate;
using test::Octets;

/// All records of a stream, one line each.
std::vector<std::string> lines_of(Bytes stream, std::size_t piece) {
    struct Line {
        std::string operator()(Description const& it) const { return "description " + std::string{it.json}; }
        std::string operator()(MemoryLayout const& it) const { return "layout " + std::to_string(it.frames()); }
        std::string operator()(PageBatch const& it) const { return "batch " + std::to_string(it.count()); }
        std::string operator()(RoundEnd const& it) const {
            return "round " + std::to_string(it.round) + (it.stopped ? " stopped " : " ") +
                   std::to_string(it.sent.all()) + " " + std::to_string(it.unchanged) + " " +
                   std::to_string(it.microseconds);
        }
        std::string operator()(DomainRecord const& it) const { return "record " + std::to_string(it.bytes.size()); }
        std::string operator()(ImageDigest const& it) const { return "digest of " + std::to_string(it.pages); }
        std::string operator()(Note const& it) const { return "note " + std::string{it.text}; }
        std::string operator()(End const&) const { return "end"; }
    };
    std::vector<std::string> lines;
    StreamReader in;
    std::size_t at = 0;
    for (;;) {
        auto const next = in.next();
        EXPECT_TRUE(next) << sentence(next.error(), in.offset());
        if (!next || (!next.value() && at == stream.size()))
            break;
        if (next.value()) {
            lines.push_back(std::visit(Line{}, *next.value()));
            continue;
        }
        auto const count = std::min(piece, stream.size() - at);
        in.feed(stream.subspan(at, count));
        at += count;
    }
    EXPECT_TRUE(in.finish());
    return lines;
}

TEST(Stream, ReadsWhatWasWrittenInPiecesOfAnySize) {
    auto const stream = test::small_stream();
    for (std::size_t const piece : {1U, 7U, 64U, 100U, 1U << 20})
        EXPECT_THAT(lines_of(stream, piece),
                    testing::ElementsAre("description {\"name\":\"web\"}", "note written by a test", "layout 3",
                                         "batch 3", "round 0 3 0 1000", "batch 2", "round 1 stopped 2 1 2000",
                                         "record 5", "digest of 2", "end"))
            << piece;
}

TEST(Stream, SaysWhoseItIs) {
    for (auto info : {test::info_of(), test::info_of(3, 16)}) {
        info.connection = info.index != 0;
        auto const octets = StreamWriter{info}.take();
        ASSERT_EQ(octets.size(), 64U);
        StreamReader in;
        in.feed(octets);
        ASSERT_TRUE(in.next());
        EXPECT_EQ(in.info(), info);
    }
}

TEST(Stream, OthersThanThePrimaryCarryPagesOnly) {
    StreamWriter out{test::info_of(1, 2)};
    BatchBuilder batch;
    batch.add(test::entry_of(Gfn{16}, PageClass::zero), {});
    out.batch(batch.finish(0, nullptr, 0));
    out.round_end(false);
    out.round_end(true);
    out.end();
    EXPECT_THAT(lines_of(out.take(), 1 << 20),
                testing::ElementsAre("batch 1", "round 0 1 0 0", "round 1 stopped 0 0 0", "end"));
}

TEST(Stream, GivesItsMemoryAwayAndTakesItBack) {
    StreamWriter out{test::info_of()};
    auto first = out.take();
    EXPECT_EQ(out.pending(), 0U);
    ASSERT_TRUE(out.description("{}"));
    EXPECT_EQ(out.written(), 64U + 24 + 8);
    EXPECT_EQ(out.take(std::move(first)).size(), 32U);
    ASSERT_TRUE(out.layout(test::layout_of({{0, 1}})));
    EXPECT_EQ(out.written(), 64U + 32 + 24 + 24);
}

TEST(Stream, RefusesToWriteWhatNobodyWouldRead) {
    StreamWriter out{test::info_of()};
    EXPECT_FALSE(out.description(""));
    EXPECT_FALSE(out.description(std::string((1 << 20) + 1, 'x')));
    EXPECT_TRUE(out.description(std::string(1 << 20, 'x')));
    EXPECT_FALSE(out.layout(MemoryLayout{}));
    EXPECT_TRUE(out.layout(test::layout_of({{0, 1}})));
    out.round_end(true);
    EXPECT_FALSE(out.domain_record({}));
    EXPECT_FALSE(out.domain_record(Octets((16 << 20) + 1)));
    EXPECT_TRUE(out.domain_record(Octets(16 << 20)));
    out.image_digest({});
    out.end();
    EXPECT_EQ(test::refusal_of(out.take()), StreamError::last);
}

TEST(Stream, NeedsMemoryForOneRecordOnly) {
    StreamWriter out{test::info_of()};
    StreamReader in;
    ASSERT_TRUE(out.description("{}"));
    ASSERT_TRUE(out.layout(test::layout_of({{0, 100'000}})));
    BatchBuilder batch;
    auto const page = test::page_of(1);
    for (unsigned i = 0; i < 1000; ++i) {
        batch.add(test::entry_of(Gfn{i}, PageClass::full, page), page);
        out.batch(batch.finish(0, nullptr, 0));
        in.feed(out.take());
        for (;;) {
            auto const next = in.next();
            ASSERT_TRUE(next);
            if (!next.value())
                break;
        }
    }
    EXPECT_LE(in.memory(), 10'000U);
}

TEST(Stream, CanBeToldApartFromTextByItsFirstOctets) {
    for (auto const* text : {"<xml>",
                             "\x7f"
                             "ELF",
                             "XenSavedDomain"})
        EXPECT_EQ(test::refusal_of(bytes_of(text)), StreamError::not_a_stream);
}

} // namespace
