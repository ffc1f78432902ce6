/// Encoder and decoder: random guests over rounds; the receiver has their memory at the end.
#include "unit/migrate/guests.hpp"

#include <gtest/gtest.h>

namespace {

using namespace migrate;
using test::kSeed;
using test::page_of;

/// One stream of a migration: both ends of it.
struct Lane {
    Lane(SentPages& sent, EncoderOptions const& options)
        : encoder{sent, options}, out{test::info_of(options.stream, options.streams)} {}

    PageEncoder encoder;
    StreamWriter out;
    StreamReader in;
    std::optional<PageDecoder> decoder;
};

class Migration {
  public:
    Migration(test::RandomGuest& guest, MemoryLayout const& layout, unsigned streams, EncoderOptions options)
        : guest_{guest}, sent_{layout, kSeed}, received_{layout, kSeed} {
        options.streams = streams;
        for (unsigned i = 0; i < streams; ++i) {
            options.stream = i;
            auto& lane = *lanes_.emplace_back(std::make_unique<Lane>(sent_, options));
            lane.decoder.emplace(received_, i, streams, memory);
            if (i == 0) {
                EXPECT_TRUE(lane.out.description("{}"));
                EXPECT_TRUE(lane.out.layout(layout));
            }
        }
    }

    void round(std::uint32_t number, std::vector<Gfn> const& gfns, bool stopped, int level) {
        for (auto& lane : lanes_) {
            lane->encoder.begin_round(number);
            lane->encoder.set_level(level);
        }
        for (auto const gfn : gfns) {
            auto& lane = *lanes_[stream_of(gfn, static_cast<unsigned>(lanes_.size()))];
            if (!lane.encoder.fits(gfn))
                lane.out.batch(lane.encoder.finish_batch());
            if (auto const page = guest_.memory.find(gfn); page != guest_.memory.end())
                lane.encoder.add(gfn, page->second);
            else
                lane.encoder.add_absent(gfn);
        }
        for (auto& lane : lanes_) {
            if (!lane->encoder.empty())
                lane->out.batch(lane->encoder.finish_batch());
            counts += lane->out.round_end(stopped, lane->encoder.unchanged()).sent;
            unchanged += lane->encoder.unchanged();
            receive(*lane);
        }
    }

    Streamed<void> finish() {
        ImageDigest digest;
        Received received;
        for (auto& lane : lanes_) {
            digest += lane->encoder.digest();
            received += lane->decoder->received();
        }
        return verify_image(sent_.layout(), received, digest);
    }

    test::NewMemory memory;
    PageCounts counts;
    std::uint64_t unchanged = 0;
    std::vector<std::unique_ptr<Lane>>& lanes() { return lanes_; }

  private:
    static void receive(Lane& lane) {
        lane.in.feed(lane.out.take());
        for (;;) {
            auto const next = lane.in.next();
            ASSERT_TRUE(next) << text_of(next.error());
            if (!next.value())
                return;
            if (auto const* batch = std::get_if<PageBatch>(&*next.value())) {
                auto const done = lane.decoder->batch(*batch);
                ASSERT_TRUE(done) << text_of(done.error());
            }
        }
    }

    test::RandomGuest& guest_;
    SentPages sent_;
    ReceivedPages received_;
    std::vector<std::unique_ptr<Lane>> lanes_;
};

TEST(Memories, OfRandomGuestsAreIdenticalAtTheEnd) {
    PageCounts all;
    std::uint64_t unchanged = 0;
    for (unsigned seed = 0; seed < 40; ++seed) {
        std::mt19937 random{seed};
        auto const layout = test::layout_of({{random() % 3, 40}, {100, 1 + random() % 20}, {1'000'000, 3}});
        test::RandomGuest guest{layout, seed};
        EncoderOptions options;
        options.hot_pages = std::array<std::size_t, 4>{0, 1, 5, 1000}[random() % 4];
        options.batch_pages = 1 + random() % 20;
        Migration migration{guest, layout, 1 + seed % 4, options};
        migration.round(0, guest.gfns(), false, static_cast<int>(random() % 4));
        auto const rounds = 1 + random() % 6;
        for (std::uint32_t round = 1; round <= rounds; ++round) {
            guest.dirty.clear();
            guest.run(static_cast<unsigned>(random() % 60));
            std::vector<Gfn> order{guest.dirty.begin(), guest.dirty.end()};
            if (random() % 2 == 0)
                std::shuffle(order.begin(), order.end(), random);
            bool const last = round == rounds;
            for (auto& lane : migration.lanes())
                lane->encoder.state_unchanged(last && random() % 2 == 0);
            migration.round(round, order, last, static_cast<int>(random() % 4) - 1);
        }
        EXPECT_EQ(migration.memory.pages, guest.memory) << seed;
        EXPECT_TRUE(migration.finish()) << seed;
        all += migration.counts;
        unchanged += migration.unchanged;
    }
    // All kinds have been seen, so that the test cannot pass by never making any.
    for (auto const count : {all.full, all.zero, all.delta, all.same, all.absent, unchanged})
        EXPECT_GT(count, 20U);
}

struct Pages : testing::Test {
    MemoryLayout layout = test::layout_of({{0, 4}});
    SentPages sent{layout, kSeed};
    PageEncoder encoder{sent};
    ReceivedPages book{layout, kSeed};
    test::NewMemory memory;
    PageDecoder decoder{book, 0, 1, memory};
    Compressor compressor;
    std::uint32_t round = 0;

    EncodedBatch one(Gfn gfn, Page const& page) {
        encoder.begin_round(round++);
        encoder.add(gfn, page);
        return encoder.empty() ? EncodedBatch{} : encoder.finish_batch();
    }
    Streamed<void> receive(EncodedBatch const& batch) { return decoder.batch(PageBatch::parse(batch.payload).value()); }
    StreamError refusal(PageEntry const& entry, Bytes contents) {
        BatchBuilder builder;
        builder.add(entry, contents);
        auto const done = receive(builder.finish(0, nullptr, 0));
        return done ? StreamError::last : done.error();
    }
};

TEST_F(Pages, ThatWereWrittenWithWhatTheyHadAreNotSentAgain) {
    EXPECT_EQ(one(Gfn{0}, page_of(1)).counts.full, 1U);
    EXPECT_TRUE(one(Gfn{0}, page_of(1)).payload.empty());
    EXPECT_EQ(encoder.unchanged(), 1U);
    encoder.state_unchanged(true);
    EXPECT_EQ(one(Gfn{0}, page_of(1)).counts.same, 1U);
    EXPECT_EQ(encoder.unchanged(), 0U);
}

TEST_F(Pages, AreSentByPiecesTheSecondTimeAndAsDifferencesFromTheThirdOn) {
    auto page = page_of(1);
    ASSERT_TRUE(receive(one(Gfn{0}, page)));
    for (unsigned i = 0; i < 4; ++i) {
        page[i] = std::byte{7};
        auto const batch = one(Gfn{0}, page);
        EXPECT_EQ(batch.counts.delta, 1U) << i;
        EXPECT_EQ(batch.contents, i == 0 ? 2 + kPieceOctets : 2 + 12) << i;
        ASSERT_TRUE(receive(batch));
        EXPECT_EQ(memory.pages.at(Gfn{0}), page);
    }
    EXPECT_EQ(one(Gfn{0}, page_of(9)).counts.full, 1U); // all of it changed
}

TEST_F(Pages, OfZerosCostAnEntry) {
    auto const batch = one(Gfn{0}, page_of(0));
    EXPECT_EQ(batch.counts.zero, 1U);
    EXPECT_EQ(batch.payload.size(), 32U);
    ASSERT_TRUE(receive(batch));
    EXPECT_EQ(memory.pages.at(Gfn{0}), page_of(0));
}

TEST_F(Pages, ThatAreNotWhatWasSentAreRefusedAndNotWritten) {
    auto entry = test::entry_of(Gfn{1}, PageClass::full, page_of(1));
    EXPECT_EQ(refusal(entry, page_of(2)), StreamError::page_differs);
    entry.kind = PageClass::zero;
    EXPECT_EQ(refusal(entry, {}), StreamError::page_differs);
    EXPECT_EQ(memory.writes, 0U);
}

TEST_F(Pages, OfOneBadBatchAreNoneWritten) {
    BatchBuilder builder;
    builder.add(test::entry_of(Gfn{0}, PageClass::full, page_of(1)), page_of(1));
    builder.add(test::entry_of(Gfn{1}, PageClass::full, page_of(1)), page_of(2));
    EXPECT_FALSE(receive(builder.finish(0, nullptr, 0)));
    EXPECT_EQ(memory.writes, 0U);
}

TEST_F(Pages, OfFramesThatTheGuestDoesNotHaveAreRefused) {
    EXPECT_EQ(refusal(test::entry_of(Gfn{4}, PageClass::zero), {}), StreamError::no_such_frame);
}

TEST_F(Pages, ComeByTheirOwnStreamOnly) {
    PageDecoder other{book, 1, 2, memory};
    BatchBuilder builder;
    builder.add(test::entry_of(Gfn{0}, PageClass::zero), {});
    auto const batch = builder.finish(0, nullptr, 0);
    EXPECT_EQ(other.batch(PageBatch::parse(batch.payload).value()).error(), StreamError::other_stream);
}

TEST_F(Pages, ThatNeverCameHaveNoDifference) {
    test::Octets const nothing(2);
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::delta), nothing), StreamError::never_sent);
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::same), {}), StreamError::never_sent);
    ASSERT_TRUE(receive(one(Gfn{0}, page_of(1))));
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::same, page_of(1)), {}), StreamError::last);
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::same, page_of(2)), {}), StreamError::page_differs);
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::delta, page_of(1)), nothing), StreamError::last);
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::absent), {}), StreamError::last);
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::same, page_of(1)), {}), StreamError::never_sent);
}

TEST_F(Pages, ThatTheNewDomainChangedBehindOurBacksAreNoticed) {
    ASSERT_TRUE(receive(one(Gfn{0}, page_of(1))));
    memory.pages[Gfn{0}][100] = std::byte{5};
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::same, page_of(1)), {}), StreamError::page_differs);
}

TEST_F(Pages, HaveContentsThatFit) {
    test::Octets wrong(2 + 12);
    wrong[0] = std::byte{12}; // a run of no words
    ASSERT_TRUE(receive(one(Gfn{0}, page_of(1))));
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::delta, page_of(1)), wrong), StreamError::bad_delta);
    wrong[0] = std::byte{0}; // shorter than what there is
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::delta, page_of(1)), wrong), StreamError::bad_contents);
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::pieces, page_of(1)), wrong), StreamError::bad_delta) << "none";
}

TEST_F(Pages, ThatCannotBeWrittenOrReadAreReported) {
    auto const first = one(Gfn{0}, page_of(1));
    ASSERT_TRUE(receive(first));
    memory.fails = true;
    EXPECT_EQ(receive(first).error(), StreamError::cannot_write);
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::same, page_of(1)), {}), StreamError::cannot_read);
    EXPECT_EQ(refusal(test::entry_of(Gfn{0}, PageClass::absent), {}), StreamError::cannot_write);
}

TEST_F(Pages, AreRemovedIfTheGuestHasNoneThere) {
    encoder.begin_round(0);
    encoder.add_absent(Gfn{2});
    ASSERT_TRUE(receive(encoder.finish_batch()));
    EXPECT_EQ(memory.removed, std::set{Gfn{2}});
    encoder.begin_round(1);
    encoder.add_absent(Gfn{2});
    EXPECT_TRUE(encoder.empty()); // known
}

TEST_F(Pages, AsAWholeAreVerified) {
    for (std::uint64_t gfn = 0; gfn < 4; ++gfn) {
        EXPECT_EQ(verify_image(layout, decoder.received(), encoder.digest()).error(), StreamError::incomplete);
        ASSERT_TRUE(receive(one(Gfn{gfn}, page_of(static_cast<unsigned char>(gfn + 1)))));
    }
    EXPECT_TRUE(verify_image(layout, decoder.received(), encoder.digest()));
    auto const lost = one(Gfn{0}, page_of(9)); // a batch that never arrives
    EXPECT_EQ(verify_image(layout, decoder.received(), encoder.digest()).error(), StreamError::image_differs);
    ASSERT_TRUE(receive(lost));
    EXPECT_TRUE(verify_image(layout, decoder.received(), encoder.digest()));
}

TEST(HotPages, KeepNoMoreThanTheyMayAndServeAPartOfALargeWorkingSet) {
    HotPages hot{10};
    unsigned served = 0;
    for (std::uint32_t round = 1; round < 20; ++round)
        for (std::uint64_t gfn = 0; gfn < 100; ++gfn) {
            served += hot.find(Gfn{gfn}, round) != nullptr ? 1 : 0;
            hot.keep(Gfn{gfn}, page_of(1), round);
            ASSERT_LE(hot.size(), 10U);
        }
    EXPECT_EQ(served, 18U * 10);
}

TEST(HotPages, MakeRoomForOthersWhenTheyCoolDown) {
    HotPages hot{4};
    for (std::uint64_t gfn = 0; gfn < 4; ++gfn)
        hot.keep(Gfn{gfn}, page_of(1), 1);
    hot.keep(Gfn{10}, page_of(2), 2);
    EXPECT_EQ(hot.find(Gfn{10}, 2), nullptr);
    hot.keep(Gfn{10}, page_of(2), 3);
    ASSERT_NE(hot.find(Gfn{10}, 3), nullptr);
    EXPECT_EQ(*hot.find(Gfn{10}, 3), page_of(2));
    hot.forget(Gfn{10});
    EXPECT_EQ(hot.find(Gfn{10}, 3), nullptr);
    hot.keep(Gfn{11}, page_of(3), 3);
    EXPECT_EQ(*hot.find(Gfn{11}, 3), page_of(3));
    EXPECT_EQ(hot.size(), 4U);
}

TEST(HotPages, ThatMayKeepNoneKeepNone) {
    HotPages hot{0};
    hot.keep(Gfn{1}, page_of(1), 1);
    EXPECT_EQ(hot.find(Gfn{1}, 1), nullptr);
}

} // namespace
