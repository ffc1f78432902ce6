#include "mm/frame_table.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "unit/mm/memory.hpp"

namespace {

using base::Error;
using base::Mfn;
using mm::FrameRef;
using mm::Request;
using mm_test::kAlice;
using mm_test::kBob;
using mm_test::Memory;

TEST(FrameTable, GivesAReferenceToTheOwnerOnly) {
    Memory memory{16};
    auto const frame = memory.allocator.allocate_frame(Request::ram(kAlice)).value();
    EXPECT_TRUE(memory.table.take(frame.mfn(), kAlice).ok());
    EXPECT_EQ(memory.table.take(frame.mfn(), kBob).error(), Error::not_found);
    EXPECT_EQ(frame.info().references, 1u); // both are gone again
}

TEST(FrameTable, KnowsNoFreeFrameAndNoWildNumber) {
    Memory memory{16};
    EXPECT_EQ(memory.table.take_any(Mfn{3}).error(), Error::not_found);  // free
    EXPECT_EQ(memory.table.take_any(Mfn{0}).error(), Error::not_found);  // never anybody's
    EXPECT_EQ(memory.table.take_any(Mfn{16}).error(), Error::not_found); // beyond
    EXPECT_EQ(memory.table.take_any(Mfn{}).error(), Error::not_found);
    EXPECT_FALSE(memory.table.valid(Mfn{16}));
}

TEST(FrameTable, FreesAFrameAtItsLastReference) {
    Memory memory{16};
    auto const before = memory.free_frames();
    auto first = memory.allocator.allocate_frame(Request::ram(kAlice)).value();
    auto second = memory.table.take_any(first.mfn()).value();
    first.reset();
    EXPECT_EQ(memory.free_frames(), before - 1);
    second.reset();
    EXPECT_EQ(memory.free_frames(), before);
}

TEST(FrameTable, RefusesAReferenceTooManyAndNeverWraps) { // SP-1
    Memory memory{16};
    auto const frame = memory.allocator.allocate_frame(Request::ram(kAlice)).value();
    frame.info().references = 0xffff'fffe;
    EXPECT_TRUE(memory.table.take_reference(frame.mfn()).ok());
    EXPECT_EQ(memory.table.take_reference(frame.mfn()).error(), Error::invalid);
    EXPECT_EQ(memory.table.take(frame.mfn(), kAlice).error(), Error::invalid);
    EXPECT_EQ(frame.info().references, 0xffff'ffffu);
    frame.info().references = 1;
}

TEST(FrameRef, MovesItsOneReference) {
    Memory memory{16};
    FrameRef first = memory.allocator.allocate_frame({}).value();
    auto const frame = first.mfn();
    FrameRef second = std::move(first);
    EXPECT_FALSE(first); // NOLINT(bugprone-use-after-move): that is the promise
    EXPECT_EQ(second.mfn(), frame);
    FrameRef third = memory.allocator.allocate_frame({}).value();
    auto const other = third.mfn();
    third = std::move(second);
    EXPECT_EQ(memory.table.info(other).references, 0u);
    EXPECT_EQ(memory.table.info(frame).references, 1u);
}

TEST(FrameRef, LeavesItsReferenceToAnEntry) {
    Memory memory{16};
    Mfn const frame = memory.allocator.allocate_frame({}).value().release();
    EXPECT_EQ(memory.table.info(frame).references, 1u);
    FrameRef::adopt(memory.table, frame).reset();
    EXPECT_EQ(memory.table.info(frame).references, 0u);
}

TEST(FrameTable, CountsForManyCpus) {
    Memory memory{16};
    auto const frame = memory.allocator.allocate_frame(Request::ram(kAlice)).value();
    std::vector<std::thread> cpus;
    for (int cpu = 0; cpu < 2; ++cpu)
        cpus.emplace_back([&] {
            for (int i = 0; i < 5000; ++i) {
                auto const one = memory.table.take(frame.mfn(), kAlice);
                EXPECT_TRUE(one.ok());
            }
        });
    for (auto& cpu : cpus)
        cpu.join();
    EXPECT_EQ(frame.info().references, 1u);
}

TEST(FrameTable, NeverGivesAFrameThatChangesHandsToTheWrongOwner) {
    // One frame goes from owner to owner while others try to take it: who succeeds finds it his, to the end.
    Memory memory{64, 64};
    memory.allocator.add_memory(Mfn{40}, 1);
    std::atomic<bool> stop{false};
    std::atomic<int> taken{0};
    std::vector<std::thread> cpus;
    for (auto const owner : {kAlice, kBob})
        cpus.emplace_back([&, owner] {
            while (!stop) {
                auto const mine = memory.table.take(Mfn{40}, owner);
                if (!mine.ok())
                    continue;
                ++taken;
                for (int i = 0; i < 10; ++i)
                    EXPECT_EQ(memory.table.info(Mfn{40}).owner_id(), owner);
            }
        });
    for (int round = 0; round < 20000 || (taken < 10 && round < 10'000'000); ++round) {
        auto const frame = memory.allocator.allocate_frame(Request::ram(round % 2 == 0 ? kAlice : kBob));
        if (frame.ok() && round % 64 == 0)
            std::this_thread::yield();
    }
    stop = true;
    for (auto& cpu : cpus)
        cpu.join();
    EXPECT_EQ(memory.free_frames(), 1u);
    EXPECT_GE(taken, 10);
}

} // namespace
