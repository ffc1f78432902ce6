#include "mm/gfn_map.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "unit/mm/memory.hpp"

namespace {

using base::Error;
using base::Gfn;
using base::Mfn;
using mm::FrameRef;
using mm::GfnMap;
using mm::Request;
using mm::Translation;
using mm_test::kAlice;
using mm_test::kBob;
using mm_test::Memory;

constexpr std::uint32_t kNoLimit = ~std::uint32_t{0};

/// A map that is torn down at the end, as a domain's is.
struct Map : GfnMap {
    Map(Memory& memory, base::DomId owner, Translation translation) : GfnMap{memory.allocator, owner, translation} {}
    ~Map() {
        Gfn cursor{0};
        EXPECT_TRUE(clear_all(cursor, kNoLimit, [](Gfn, FrameRef) {}).ok());
        EXPECT_TRUE(destroy(kNoLimit).ok());
    }
};

FrameRef ram(Memory& memory, base::DomId owner = kAlice) {
    return memory.allocator.allocate_frame(Request::ram(owner)).value();
}

// --- translated ----------------------------------------------------------------------------------------------------

TEST(TranslatedGfnMap, FindsWhatWasSet) {
    Memory memory{256};
    Map map{memory, kAlice, Translation::translated};
    for (std::uint64_t gfn : {0ul, 1ul, 511ul, 512ul, 0x40000ul, 0x8000000ul, mm::kFirstSpecialGfn.raw() - 1}) {
        auto frame = ram(memory);
        auto const mfn = frame.mfn();
        ASSERT_TRUE(map.set(Gfn{gfn}, std::move(frame)).ok());
        auto const got = map.get(Gfn{gfn});
        ASSERT_TRUE(got.ok());
        EXPECT_EQ(got.value().mfn(), mfn);
        EXPECT_EQ(memory.table.gfn_of(mfn), Gfn{gfn});
        EXPECT_EQ(map.limit(), Gfn{gfn + 1});
    }
}

TEST(TranslatedGfnMap, IsWalkedFromFrameToFrame) {
    Memory memory{256};
    Map map{memory, kAlice, Translation::translated};
    Gfn cursor{0};
    EXPECT_FALSE(map.next(cursor).valid()) << "it is empty";
    std::vector<std::uint64_t> const set{0, 1, 511, 512, 1535, 0x40000, 0x8000000};
    std::map<std::uint64_t, Mfn> frames;
    for (auto const gfn : set) {
        auto frame = ram(memory);
        frames[gfn] = frame.mfn();
        ASSERT_TRUE(map.set(Gfn{gfn}, std::move(frame)).ok());
    }
    std::vector<std::uint64_t> found;
    for (auto frame = map.next(cursor); frame.valid(); frame = map.next(cursor)) {
        found.push_back(cursor.raw() - 1);
        EXPECT_EQ(frame, frames[cursor.raw() - 1]);
    }
    EXPECT_EQ(found, set);
    EXPECT_GE(cursor, map.limit());
    cursor = Gfn{1023}; // the last of a gap
    EXPECT_TRUE(map.next(cursor).valid());
    EXPECT_EQ(cursor.raw(), 1536U);
}

TEST(TranslatedGfnMap, HasNothingElsewhere) {
    Memory memory{256};
    Map map{memory, kAlice, Translation::translated};
    EXPECT_EQ(map.get(Gfn{0}).error(), Error::not_found);
    ASSERT_TRUE(map.set(Gfn{5}, ram(memory)).ok());
    for (std::uint64_t gfn : {4ul, 6ul, 512ul + 5, (1ul << 32) + 5, (1ul << 40) + 5, ~0ul})
        EXPECT_EQ(map.get(Gfn{gfn}).error(), Error::not_found) << gfn;
    EXPECT_EQ(map.clear(Gfn{6}).error(), Error::not_found);
    EXPECT_EQ(map.clear(Gfn{(1ul << 32) + 5}).error(), Error::not_found);
}

TEST(TranslatedGfnMap, RefusesASecondFrameAtANumberAndASecondNumberForAFrame) {
    Memory memory{256};
    Map map{memory, kAlice, Translation::translated};
    auto frame = ram(memory);
    auto again = memory.table.take_any(frame.mfn()).value();
    ASSERT_TRUE(map.set(Gfn{5}, std::move(frame)).ok());
    EXPECT_EQ(map.set(Gfn{6}, std::move(again)).error(), Error::exists);
    EXPECT_EQ(map.get(Gfn{6}).error(), Error::not_found);
    auto other = ram(memory);
    auto const other_mfn = other.mfn();
    EXPECT_EQ(map.set(Gfn{5}, std::move(other)).error(), Error::exists);
    EXPECT_EQ(memory.table.info(other_mfn).references, 0u); // the reference went with the error
}

TEST(TranslatedGfnMap, RefusesAnothersFrameAndNumbersBeyondTheLast) {
    Memory memory{256};
    Map map{memory, kAlice, Translation::translated};
    EXPECT_EQ(map.set(Gfn{5}, ram(memory, kBob)).error(), Error::invalid);
    EXPECT_EQ(map.set(Gfn{std::uint64_t{1} << 32}, ram(memory)).error(), Error::invalid);
    EXPECT_EQ(map.set(Gfn{}, ram(memory)).error(), Error::invalid);
    EXPECT_EQ(map.set(mm::kEndGfn, memory.allocator.allocate_frame(Request::special(kAlice)).value()).error(),
              Error::invalid);
}

TEST(TranslatedGfnMap, KeepsSpecialFramesAndRamApart) { // SP-25
    Memory memory{256};
    Map map{memory, kAlice, Translation::translated};
    auto const special = [&] { return memory.allocator.allocate_frame(Request::special(kAlice)).value(); };
    EXPECT_EQ(map.set(mm::kFirstSpecialGfn, ram(memory)).error(), Error::invalid);
    EXPECT_EQ(map.set(Gfn{5}, special()).error(), Error::invalid);
    ASSERT_TRUE(map.set(mm::kFirstSpecialGfn, special()).ok());
    EXPECT_TRUE(map.get(mm::kFirstSpecialGfn).value().info().special());
    EXPECT_EQ(map.limit(), Gfn{0}); // they do not count
}

TEST(TranslatedGfnMap, KeepsAGivenUpFrameAliveForItsUsersOnly) { // SP-2
    Memory memory{256};
    Map map{memory, kAlice, Translation::translated};
    ASSERT_TRUE(map.set(Gfn{5}, ram(memory)).ok());
    auto entry = map.get(Gfn{5}).value(); // say, a page-table entry
    auto const mfn = entry.mfn();
    map.clear(Gfn{5}).value().reset();
    EXPECT_EQ(map.get(Gfn{5}).error(), Error::not_found);
    EXPECT_EQ(map.clear(Gfn{5}).error(), Error::not_found);
    EXPECT_EQ(memory.table.info(mfn).owner_id(), kAlice);
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 1u);
    EXPECT_FALSE(memory.table.gfn_of(mfn).valid());
    entry.reset();
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 0u);
}

TEST(TranslatedGfnMap, TakesAFrameThatItGaveUpBefore) {
    Memory memory{256};
    Map map{memory, kAlice, Translation::translated};
    ASSERT_TRUE(map.set(Gfn{5}, ram(memory)).ok());
    ASSERT_TRUE(map.set(Gfn{1000}, map.clear(Gfn{5}).value()).ok());
    EXPECT_TRUE(map.get(Gfn{1000}).ok());
    EXPECT_EQ(map.get(Gfn{5}).error(), Error::not_found);
}

TEST(TranslatedGfnMap, FailsWithoutMemoryForItsTree) {
    Memory memory{64, 64};
    memory.allocator.add_memory(Mfn{40}, 3); // the frame, and two of the three pages that the tree needs
    Map map{memory, kAlice, Translation::translated};
    auto frame = ram(memory);
    auto const mfn = frame.mfn();
    EXPECT_EQ(map.set(Gfn{5}, std::move(frame)).error(), Error::no_memory);
    EXPECT_EQ(memory.table.info(mfn).references, 0u);
    EXPECT_EQ(map.get(Gfn{5}).error(), Error::not_found);
    memory.allocator.add_memory(Mfn{50}, 3);
    EXPECT_TRUE(map.set(Gfn{5}, ram(memory)).ok());
}

TEST(TranslatedGfnMap, AgreesWithAMap) {
    Memory memory{2048};
    Map map{memory, kAlice, Translation::translated};
    std::map<std::uint64_t, Mfn> model;
    std::mt19937_64 random{11};
    auto const some_gfn = [&] {
        return (random() % 4 << 27) + (random() % 4 << 18) + (random() % 3 << 9) + random() % 8;
    };
    for (int step = 0; step < 20000; ++step) {
        auto const gfn = some_gfn();
        auto const known = model.find(gfn);
        switch (random() % 3) {
        case 0: {
            auto frame = ram(memory);
            auto const mfn = frame.mfn();
            ASSERT_EQ(map.set(Gfn{gfn}, std::move(frame)).ok(), known == model.end());
            model.try_emplace(gfn, mfn);
            break;
        }
        case 1: {
            auto const frame = map.clear(Gfn{gfn});
            ASSERT_EQ(frame.ok(), known != model.end());
            if (frame.ok()) {
                ASSERT_EQ(frame.value().mfn(), known->second);
                model.erase(known);
            }
            break;
        }
        default: {
            auto const frame = map.get(Gfn{gfn});
            ASSERT_EQ(frame.ok(), known != model.end());
            if (frame.ok()) {
                ASSERT_EQ(frame.value().mfn(), known->second);
            }
        }
        }
        ASSERT_EQ(memory.quotas[kAlice.raw()].total(), model.size());
        ASSERT_EQ(map.frames(), model.size());
    }
}

// --- direct --------------------------------------------------------------------------------------------------------

TEST(DirectGfnMap, IsTheIdentityForTheDomainsOwnFrames) {
    Memory memory{64};
    Map map{memory, kAlice, Translation::direct};
    auto frame = ram(memory);
    auto const mfn = frame.mfn();
    Gfn const gfn{mfn.raw()};
    EXPECT_EQ(map.get(gfn).error(), Error::not_found); // not set yet
    EXPECT_EQ(map.set(Gfn{mfn.raw() + 1}, memory.table.take_any(mfn).value()).error(), Error::invalid);
    ASSERT_TRUE(map.set(gfn, std::move(frame)).ok());
    EXPECT_EQ(map.get(gfn).value().mfn(), mfn);
    EXPECT_EQ(memory.table.gfn_of(mfn), gfn);
    EXPECT_EQ(map.set(gfn, memory.table.take_any(mfn).value()).error(), Error::exists);
}

TEST(DirectGfnMap, KnowsNoOneElsesFrames) {
    Memory memory{64};
    Map map{memory, kAlice, Translation::direct};
    auto const bobs = ram(memory, kBob);
    auto const internal = memory.allocator.allocate_frame({}).value();
    for (auto const mfn : {bobs.mfn(), internal.mfn(), Mfn{0}, Mfn{1}, Mfn{64}, Mfn{}}) {
        EXPECT_EQ(map.get(Gfn{mfn.raw()}).error(), Error::not_found);
        EXPECT_EQ(map.clear(Gfn{mfn.raw()}).error(), Error::not_found);
    }
    EXPECT_EQ(map.set(Gfn{bobs.mfn().raw()}, memory.table.take_any(bobs.mfn()).value()).error(), Error::invalid);
}

TEST(DirectGfnMap, ForgetsAFrameThatWasGivenUp) {
    Memory memory{64};
    Map map{memory, kAlice, Translation::direct};
    auto frame = ram(memory);
    Gfn const gfn{frame.mfn().raw()};
    ASSERT_TRUE(map.set(gfn, std::move(frame)).ok());
    auto entry = map.get(gfn).value();
    map.clear(gfn).value().reset();
    EXPECT_EQ(map.get(gfn).error(), Error::not_found);   // still Alice's, but given up
    EXPECT_EQ(map.clear(gfn).error(), Error::not_found); // and only once
    EXPECT_EQ(entry.info().references, 1u);
    entry.reset();
    EXPECT_EQ(memory.free_frames(), 63u);
}

// --- teardown ------------------------------------------------------------------------------------------------------

class GfnMapTeardown : public testing::TestWithParam<Translation> {};

TEST_P(GfnMapTeardown, HandsOutEveryFrameOnceInSmallSteps) {
    Memory memory{1024};
    auto const before = memory.free_frames();
    {
        GfnMap map{memory.allocator, kAlice, GetParam()};
        std::vector<Gfn> set;
        for (std::uint64_t i = 0; i < 200; ++i) {
            auto frame = ram(memory);
            Gfn const gfn{map.translated() ? i * 12'345 : frame.mfn().raw()};
            ASSERT_TRUE(map.set(gfn, std::move(frame)).ok());
            set.push_back(gfn);
        }
        std::sort(set.begin(), set.end());

        std::vector<Gfn> seen;
        Gfn cursor{0};
        int preempted = 0;
        for (;;) {
            auto const step = map.clear_all(cursor, 50, [&](Gfn gfn, FrameRef frame) {
                EXPECT_EQ(frame.info().references, 1u);
                seen.push_back(gfn);
            });
            if (step.ok())
                break;
            ASSERT_EQ(step.error(), Error::preempted);
            ++preempted;
        }
        EXPECT_EQ(seen, set);
        EXPECT_GT(preempted, 4);
        EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 0u);

        int pages = 0;
        while (!map.destroy(1).ok())
            ++pages;
        EXPECT_EQ(pages > 0, map.translated());
    }
    EXPECT_EQ(memory.free_frames(), before);
}

INSTANTIATE_TEST_SUITE_P(Both, GfnMapTeardown, testing::Values(Translation::translated, Translation::direct));

// --- several CPUs --------------------------------------------------------------------------------------------------

TEST(TranslatedGfnMap, NeverShowsAReaderAFrameOfAnotherNumber) {
    // A few frames come and go at two numbers; each frame bears the number at which it was entered last.
    Memory memory{128, 128};
    memory.allocator.add_memory(Mfn{64}, 8);
    Map map{memory, kAlice, Translation::translated};
    std::atomic<bool> stop{false};
    std::atomic<int> hits{0};
    std::vector<std::thread> readers;
    for (unsigned cpu = 0; cpu < 3; ++cpu)
        readers.emplace_back([&, cpu] {
            Gfn const gfn{cpu % 2};
            while (!stop)
                if (auto const frame = map.get(gfn)) {
                    // While we hold it, it cannot be freed and entered elsewhere.
                    auto* const mark = arch::frame_as<std::atomic<std::uint64_t>>(frame.value().mfn());
                    EXPECT_EQ(mark->load(), gfn.raw() + 1);
                    ++hits;
                }
        });
    std::mt19937 random{5};
    for (int round = 0; round < 60'000 || (hits < 10 && round < 10'000'000); ++round) {
        Gfn const gfn{random() % 2};
        if (auto frame = map.clear(gfn); frame.ok()) {
            map.forget(gfn, frame.value().mfn()); // no table holds it by its number
            continue;
        }
        auto frame = memory.allocator.allocate_frame(Request::ram(kAlice));
        if (!frame.ok())
            continue;
        arch::frame_as<std::atomic<std::uint64_t>>(frame.value().mfn())->store(gfn.raw() + 1);
        EXPECT_TRUE(map.set(gfn, std::move(frame).value()).ok());
    }
    stop = true;
    for (auto& reader : readers)
        reader.join();
    EXPECT_GE(hits, 10);
}

TEST(GfnMap, LetsOnlyOneOfTwoCpusClearANumber) {
    for (auto const translation : {Translation::translated, Translation::direct}) {
        Memory memory{256};
        Map map{memory, kAlice, translation};
        for (int round = 0; round < 300; ++round) {
            auto frame = ram(memory);
            Gfn const gfn{map.translated() ? 7 : frame.mfn().raw()};
            ASSERT_TRUE(map.set(gfn, std::move(frame)).ok());
            std::atomic<int> won{0};
            auto const race = [&] { won += map.clear(gfn).ok() ? 1 : 0; };
            std::thread other{race};
            race();
            other.join();
            EXPECT_EQ(won, 1);
        }
        EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 0u);
    }
}

} // namespace
