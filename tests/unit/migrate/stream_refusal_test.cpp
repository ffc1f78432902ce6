/// Every error of the reader: cut off, flipped, lost, doubled, swapped, and records that lie though their hashes fit.
#include "unit/migrate/streams.hpp"

#include <set>

#include <gtest/gtest.h>

namespace {

using namespace migrate;
using test::Octets;
using test::put_record;
using test::refusal_of;

TEST(StreamRefusal, IsCutOffAtEveryOctet) {
    auto const stream = test::small_stream();
    for (std::size_t size = 0; size < stream.size(); ++size)
        EXPECT_EQ(refusal_of(Bytes{stream}.first(size)), StreamError::cut_off) << size;
    EXPECT_EQ(refusal_of(stream), StreamError::last);
}

TEST(StreamRefusal, NoticesEveryFlippedBit) {
    auto stream = test::small_stream();
    for (std::size_t at = 0; at < stream.size(); ++at)
        for (unsigned bit = 0; bit < 8; ++bit) {
            auto const before = stream[at];
            stream[at] ^= std::byte{1} << bit;
            auto const refusal = refusal_of(stream);
            EXPECT_TRUE(refusal == StreamError::record_corrupt || refusal == StreamError::header_corrupt ||
                        refusal == StreamError::not_a_stream || refusal == StreamError::bad_padding)
                << at << ": " << text_of(refusal);
            stream[at] = before;
        }
}

TEST(StreamRefusal, NoticesRecordsLostDoubledAndSwapped) {
    auto const stream = test::small_stream();
    auto const starts = test::records_in(stream);
    auto const record = [&](std::size_t i) { return Bytes{stream}.subspan(starts[i], starts[i + 1] - starts[i]); };
    auto const count = starts.size() - 1;
    for (std::size_t i = 0; i < count; ++i) {
        Octets lost{stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(starts[i])};
        Octets doubled = lost;
        Octets swapped = lost;
        put(lost, Bytes{stream}.subspan(starts[i + 1]));
        put(doubled, record(i));
        put(doubled, Bytes{stream}.subspan(starts[i]));
        bool const last = i == count - 1;
        EXPECT_EQ(refusal_of(lost), last ? StreamError::cut_off : StreamError::out_of_sequence) << i;
        EXPECT_EQ(refusal_of(doubled), last ? StreamError::after_the_end : StreamError::out_of_sequence) << i;
        if (last)
            continue;
        put(swapped, record(i + 1));
        put(swapped, record(i));
        put(swapped, Bytes{stream}.subspan(starts[i + 2]));
        EXPECT_EQ(refusal_of(swapped), StreamError::out_of_sequence) << i;
    }
}

TEST(StreamRefusal, TakesNoRecordOfAnotherStream) {
    StreamWriter one{test::info_of(1, 3)};
    StreamWriter two{test::info_of(2, 3)};
    for (auto* out : {&one, &two}) {
        out->round_end(true);
        out->end();
    }
    auto const first = one.take();
    auto const second = two.take();
    Octets mixed{first.begin(), first.begin() + 64};
    put(mixed, Bytes{second}.subspan(64));
    EXPECT_EQ(refusal_of(mixed), StreamError::record_corrupt);
}

TEST(StreamRefusal, IsRepeated) {
    StreamReader in;
    in.feed(Octets(64));
    EXPECT_EQ(in.next().error(), StreamError::not_a_stream);
    in.feed(test::small_stream());
    EXPECT_EQ(in.next().error(), StreamError::not_a_stream);
    EXPECT_EQ(in.finish().error(), StreamError::not_a_stream);
}

TEST(StreamRefusal, SaysWhere) {
    auto stream = test::small_stream();
    auto const starts = test::records_in(stream);
    stream[starts[3] + 30] ^= std::byte{1};
    StreamReader in;
    in.feed(stream);
    for (unsigned record = 0; record < 3; ++record)
        EXPECT_TRUE(in.next());
    EXPECT_EQ(in.next().error(), StreamError::record_corrupt);
    EXPECT_EQ(in.offset(), starts[3]);
}

struct Header : testing::Test {
    format::Header header = *base::load<format::Header>(StreamWriter{test::info_of()}.take());

    StreamError refusal() {
        header.check = hash64(std::as_bytes(std::span{&header, 1}).first(56), 0);
        Octets octets;
        put_value(octets, header);
        return refusal_of(octets);
    }
};

TEST_F(Header, OfANewerVersionIsRefused) {
    header.version = format::kVersion + 1;
    EXPECT_EQ(refusal(), StreamError::newer_version);
}

TEST_F(Header, OfAnotherPageSizeIsRefused) {
    header.page_size = 65536;
    EXPECT_EQ(refusal(), StreamError::other_page_size);
}

TEST_F(Header, ThatNobodyWritesIsRefused) {
    auto const good = header;
    for (auto const& break_it : std::initializer_list<void (*)(format::Header&)>{
             [](auto& it) { it.version = 0; },
             [](auto& it) { it.flags |= 4; },
             [](auto& it) { it.streams = 0; },
             [](auto& it) { it.streams = 17; },
             [](auto& it) { it.index = 1; },
             [](auto& it) { it.reserved0 = 1; },
             [](auto& it) { it.reserved1 = 1; },
         }) {
        header = good;
        break_it(header);
        EXPECT_EQ(refusal(), StreamError::header_malformed);
    }
}

/// Streams of records that a stranger makes, with hashes that fit.
struct Forger {
    Octets stream = StreamWriter{test::info_of()}.take();
    std::uint32_t sequence = 0;

    Forger& add(std::uint32_t type, Bytes payload) {
        put_record(stream, type, sequence++, payload, test::info_of());
        return *this;
    }
    Forger& add(RecordType type, Bytes payload) { return add(static_cast<std::uint32_t>(type), payload); }
    Forger& begin() { return add(RecordType::description, bytes_of("{}")).add(RecordType::layout, layout()); }
    Forger& round(std::uint32_t round, bool stopped) {
        return add(RecordType::round_end, round_end({round, stopped, {}, 0, 0, 0}));
    }
    [[nodiscard]] StreamError refusal() const { return refusal_of(stream); }

    static Octets layout() {
        Octets payload;
        EXPECT_TRUE(test::layout_of({{0, 100}}).write(payload));
        return payload;
    }
    static Octets round_end(RoundEnd const& end) {
        Octets payload;
        put_value(payload,
                  format::RoundEnd{end.round, end.stopped ? 1U : 0U, end.sent.full, end.sent.zero, end.sent.delta,
                                   end.sent.same, end.sent.absent, end.unchanged, end.octets, end.microseconds, 0});
        return payload;
    }
    static Octets batch(std::uint32_t round) {
        BatchBuilder builder;
        builder.add(test::entry_of(Gfn{0}, PageClass::zero), {});
        return builder.finish(round, nullptr, 0).payload;
    }
};

TEST(Forged, StreamsAreOtherwiseFine) {
    Forger forger;
    forger.begin()
        .round(0, true)
        .add(RecordType::domain_record, bytes_of("x"))
        .add(RecordType::image_digest, Octets(24));
    EXPECT_EQ(forger.add(RecordType::end, {}).refusal(), StreamError::last);
}

TEST(Forged, RecordsThatNobodyKnowsAreSkippedOnlyIfOptional) {
    Forger forger;
    forger.add(0x80000002, Octets(13)).begin();
    EXPECT_EQ(forger.refusal(), StreamError::cut_off);
    EXPECT_EQ(forger.add(8, {}).refusal(), StreamError::unknown_record);
}

TEST(Forged, RecordZeroIsUnknown) { EXPECT_EQ(Forger{}.add(0U, {}).refusal(), StreamError::unknown_record); }

TEST(Forged, RecordsAreNotLongerThanTheirKind) {
    auto const refusal = [](std::uint32_t type, std::size_t length) {
        return Forger{}.add(type, Octets(length)).refusal();
    };
    EXPECT_EQ(refusal(1, (1 << 20) + 1), StreamError::too_long);
    EXPECT_EQ(refusal(3, (1 << 20) + (4 << 10) + 17), StreamError::too_long);
    EXPECT_EQ(refusal(4, 81), StreamError::too_long);
    EXPECT_EQ(refusal(6, 25), StreamError::too_long);
    EXPECT_EQ(refusal(7, 1), StreamError::too_long);
    EXPECT_EQ(refusal(0x80000001, (64 << 10) + 1), StreamError::too_long);
    EXPECT_EQ(refusal(0x80000005, (16 << 20) + 1), StreamError::too_long);
}

TEST(Forged, RecordsStandInTheirOrder) {
    Forger forger;
    EXPECT_EQ(forger.add(RecordType::layout, Forger::layout()).refusal(), StreamError::misplaced);
}

TEST(Forged, RecordsThatComeOnceComeOnce) {
    Forger forger;
    EXPECT_EQ(forger.begin().add(RecordType::layout, Forger::layout()).refusal(), StreamError::misplaced);
}

TEST(Forged, PagesDoNotFollowTheLastRound) {
    Forger forger;
    EXPECT_EQ(forger.begin().round(0, true).add(RecordType::page_batch, Forger::batch(1)).refusal(),
              StreamError::misplaced);
}

TEST(Forged, TheDomainsRecordFollowsAStoppedRoundOnly) {
    Forger forger;
    EXPECT_EQ(forger.begin().round(0, false).add(RecordType::domain_record, bytes_of("x")).refusal(),
              StreamError::misplaced);
}

TEST(Forged, TheEndFollowsTheDigestOnly) {
    Forger forger;
    forger.begin().round(0, true).add(RecordType::domain_record, bytes_of("x"));
    EXPECT_EQ(forger.add(RecordType::end, {}).refusal(), StreamError::misplaced);
}

TEST(Forged, BatchesBelongToTheirRound) {
    Forger forger;
    EXPECT_EQ(forger.begin().add(RecordType::page_batch, Forger::batch(1)).refusal(), StreamError::wrong_round);
}

TEST(Forged, RoundsAreCounted) { EXPECT_EQ(Forger{}.begin().round(1, false).refusal(), StreamError::wrong_round); }

TEST(Forged, RoundsHaveWhatTheirEndsSay) {
    Forger forger;
    forger.begin().add(RecordType::page_batch, Forger::batch(0));
    auto const octets = Forger::batch(0).size();
    auto good = forger;
    good.add(RecordType::round_end, Forger::round_end({0, false, {0, 1, 0, 0, 0}, 0, octets, 0}));
    EXPECT_EQ(good.refusal(), StreamError::cut_off);
    for (RoundEnd const& lie :
         {RoundEnd{0, false, {0, 2, 0, 0, 0}, 0, octets, 0}, RoundEnd{0, false, {1, 0, 0, 0, 0}, 0, octets, 0},
          RoundEnd{0, false, {0, 1, 0, 0, 0}, 0, octets + 1, 0}}) {
        auto bad = forger;
        EXPECT_EQ(bad.add(RecordType::round_end, Forger::round_end(lie)).refusal(), StreamError::round_differs);
    }
}

TEST(Forged, EndsOfRoundsAreWellFormed) {
    Forger forger;
    forger.begin();
    for (std::size_t const at : {4U, 79U}) {
        auto broken = Forger::round_end({});
        broken[at] |= std::byte{2};
        auto bad = forger;
        EXPECT_EQ(bad.add(RecordType::round_end, broken).refusal(), StreamError::bad_round_end);
    }
    EXPECT_EQ(forger.add(RecordType::round_end, Octets(72)).refusal(), StreamError::bad_round_end);
}

TEST(Forged, NothingIsEmptyThatSaysSomething) {
    Forger forger;
    auto empty = forger;
    EXPECT_EQ(empty.add(RecordType::description, {}).refusal(), StreamError::bad_description);
    forger.begin().round(0, true);
    auto digest = forger;
    EXPECT_EQ(forger.add(RecordType::domain_record, {}).refusal(), StreamError::bad_domain_record);
    digest.add(RecordType::domain_record, bytes_of("x")).add(RecordType::image_digest, Octets(16));
    EXPECT_EQ(digest.refusal(), StreamError::bad_digest);
}

TEST(Forged, PaddingIsZero) {
    Forger forger;
    forger.add(RecordType::description, bytes_of("{}"));
    forger.stream.back() = std::byte{1};
    EXPECT_EQ(forger.refusal(), StreamError::bad_padding);
}

TEST(StreamErrors, HaveASentenceEach) {
    std::set<std::string_view> sentences;
    for (unsigned i = 0; i < static_cast<unsigned>(StreamError::last); ++i) {
        auto const text = text_of(static_cast<StreamError>(i));
        EXPECT_NE(text, text_of(StreamError::last));
        EXPECT_TRUE(sentences.insert(text).second) << text;
    }
    EXPECT_EQ(sentence(StreamError::cut_off, 7), "at octet 7: the stream is cut off; copy it again");
}

} // namespace
