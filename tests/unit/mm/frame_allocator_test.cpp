#include "mm/frame_allocator.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "unit/mm/memory.hpp"

namespace {

using base::Error;
using base::Mfn;
using mm::Contents;
using mm::Counting;
using mm::Request;
using mm_test::fill;
using mm_test::is_filled_with;
using mm_test::kAlice;
using mm_test::kBob;
using mm_test::Memory;

TEST(FrameAllocator, NeverHandsOutAFrameTwice) {
    Memory memory{512};
    std::set<Mfn> seen;
    for (;;) {
        auto const frame = memory.allocator.allocate({});
        if (!frame.ok())
            break;
        EXPECT_TRUE(seen.insert(frame.value()).second);
    }
    EXPECT_EQ(seen.size(), 511u); // all but frame 0
    EXPECT_EQ(memory.free_frames(), 0u);
}

TEST(FrameAllocator, NeverHandsOutFrameZero) {
    Memory memory{16, 0};
    EXPECT_EQ(memory.allocator.statistics().total, 15u);
    for (int i = 0; i < 15; ++i)
        EXPECT_NE(memory.allocator.allocate({}).value(), Mfn{0});
    EXPECT_FALSE(memory.allocator.allocate({}).ok());
}

TEST(FrameAllocator, SaysNoMemoryWhenNothingIsLeft) {
    Memory memory{8};
    while (memory.allocator.allocate({}).ok()) {
    }
    EXPECT_EQ(memory.allocator.allocate({}).error(), Error::no_memory);
}

TEST(FrameAllocator, SaysNoMemoryWhenNoRunIsLongEnough) {
    Memory memory{64};
    EXPECT_EQ(memory.allocator.allocate({.order = 6}).error(), Error::no_memory);
    EXPECT_EQ(memory.free_frames(), 63u);
}

TEST(FrameAllocator, RefusesRunsLongerThanTheLongest) {
    Memory memory{8};
    EXPECT_EQ(memory.allocator.allocate({.order = mm::kMaxOrder + 1}).error(), Error::too_big);
}

TEST(FrameAllocator, AlignsARunToItsSize) {
    Memory memory{4096};
    for (unsigned order = 0; order <= 9; ++order)
        EXPECT_EQ(memory.allocator.allocate({.order = order}).value().raw() % (std::uint64_t{1} << order), 0u) << order;
}

TEST(FrameAllocator, HandsOutARunOfTheLargestOrder) {
    Memory memory{std::uint64_t{1} << (mm::kMaxOrder + 1)};
    auto const run = memory.allocator.allocate({.order = mm::kMaxOrder, .contents = Contents::any});
    EXPECT_EQ(run.value(), Mfn{std::uint64_t{1} << mm::kMaxOrder});
}

TEST(FrameAllocator, JoinsWhatWasHalved) {
    Memory memory{1024};
    auto const before = memory.allocator.allocate({.order = 9}).value();
    memory.allocator.give_back(before, 9);
    std::vector<Mfn> frames;
    for (int i = 0; i < 1023; ++i)
        frames.push_back(memory.allocator.allocate({}).value());
    for (auto const frame : frames)
        memory.allocator.give_back(frame, 0);
    EXPECT_EQ(memory.allocator.allocate({.order = 9}).value(), before);
}

TEST(FrameAllocator, KeepsTheWholeRunBelowTheAddressLimit) {
    Memory memory{std::uint64_t{1} << 12};
    // 2^20 bytes are 256 frames.
    for (int i = 0; i < 3; ++i) {
        auto const run = memory.allocator.allocate({.order = 6, .address_bits = 20});
        ASSERT_TRUE(run.ok());
        EXPECT_LE(run.value().raw() + 64, 256u);
    }
    EXPECT_EQ(memory.allocator.allocate({.order = 6, .address_bits = 20}).error(), Error::no_memory);
    EXPECT_TRUE(memory.allocator.allocate({.order = 6}).ok());
}

TEST(FrameAllocator, HasNothingBelowAnAbsurdAddressLimit) {
    Memory memory{64};
    for (unsigned bits : {0u, 1u, 11u, 12u})
        EXPECT_EQ(memory.allocator.allocate({.address_bits = bits}).error(), Error::no_memory) << bits;
    EXPECT_EQ(memory.allocator.allocate({.address_bits = 13}).value(), Mfn{1});
    EXPECT_TRUE(memory.allocator.allocate({.address_bits = 255}).ok());
}

TEST(FrameAllocator, HandsOutLowMemoryLast) {
    Memory memory{256};
    std::uint64_t lowest = 256;
    for (unsigned zone = 8; zone > 0; --zone) {
        auto const in_zone = memory.allocator.free_in_zone(zone);
        EXPECT_EQ(in_zone, std::uint64_t{1} << (zone - 1));
        std::uint64_t seen = 256;
        for (std::uint64_t i = 0; i < in_zone; ++i)
            seen = std::min(seen, memory.allocator.allocate({}).value().raw());
        EXPECT_LT(seen, lowest);
        EXPECT_EQ(seen, in_zone);
        lowest = seen;
    }
}

TEST(FrameAllocator, TakesMemoryInPieces) {
    Memory memory{1024, 1024};
    memory.allocator.add_memory(Mfn{3}, 5);
    memory.allocator.add_memory(Mfn{100}, 1);
    memory.allocator.add_memory(Mfn{512}, 512);
    EXPECT_EQ(memory.allocator.statistics().total, 518u);
    EXPECT_EQ(memory.free_frames(), 518u);
    EXPECT_EQ(memory.allocator.allocate({.order = 9}).value(), Mfn{512});
    std::set<Mfn> rest;
    while (auto const frame = memory.allocator.allocate({}))
        rest.insert(frame.value());
    EXPECT_EQ(rest, (std::set{Mfn{3}, Mfn{4}, Mfn{5}, Mfn{6}, Mfn{7}, Mfn{100}}));
}

TEST(FrameAllocator, KeepsWhatIsClaimedForTheOneThatHasClaimedIt) {
    Memory memory{64};
    auto& allocator = memory.allocator;
    auto const own = [&] { return allocator.allocate(Request::ram(kAlice)); };
    auto const others = [&] { return allocator.allocate(Request::ram(kBob)); };
    ASSERT_TRUE(own().ok());
    EXPECT_EQ(allocator.claim(kAlice, 1).error(), Error::invalid) << "which it has";
    EXPECT_EQ(allocator.claim(kAlice, 64).error(), Error::no_memory);
    ASSERT_TRUE(allocator.claim(kAlice, 61).ok());
    EXPECT_EQ(allocator.claim(kAlice, 61).error(), Error::invalid) << "a second claim";
    EXPECT_EQ(allocator.claim(kBob, 3).error(), Error::no_memory);
    ASSERT_TRUE(allocator.claim(kBob, 1).ok());
    EXPECT_EQ(allocator.statistics().claimed, 61u);

    EXPECT_TRUE(others().ok()) << "its own claim";
    EXPECT_TRUE(others().ok()) << "what nobody has claimed";
    EXPECT_EQ(others().error(), Error::no_memory);
    EXPECT_EQ(allocator.allocate({}).error(), Error::no_memory) << "nor does the hypervisor get it";
    EXPECT_EQ(allocator.allocate(Request::special(kAlice)).error(), Error::no_memory) << "nor does what is not its RAM";
    for (int i = 0; i < 60; ++i)
        ASSERT_TRUE(own().ok());
    EXPECT_EQ(allocator.statistics().claimed, 0u);
    EXPECT_EQ(own().error(), Error::no_memory);
}

TEST(FrameAllocator, AClaimThatIsGivenUpIsForAll) {
    Memory memory{64};
    memory.quotas[kAlice.raw()].set_limit(40);
    EXPECT_EQ(memory.allocator.claim(kAlice, 41).error(), Error::invalid) << "beyond its limit";
    ASSERT_TRUE(memory.allocator.claim(kAlice, 40).ok());
    EXPECT_EQ(memory.allocator.allocate({.order = 5}).error(), Error::no_memory);
    ASSERT_TRUE(memory.allocator.claim(kAlice, 0).ok());
    EXPECT_TRUE(memory.allocator.allocate({.order = 5}).ok());
}

TEST(FrameAllocator, WhatIsInQuarantineCanBeClaimed) {
    Memory memory{16};
    auto const run = memory.allocator.allocate(Request::ram(kBob, 3)).value();
    memory.clock.by_hand = true;
    memory.allocator.give_back(run, 3);
    ASSERT_TRUE(memory.allocator.claim(kAlice, 15).ok());
    EXPECT_EQ(memory.allocator.allocate(Request::ram(kBob)).error(), Error::no_memory);
    EXPECT_EQ(memory.allocator.allocate(Request::ram(kAlice, 3)).error(), Error::again);
    memory.clock.flush();
    EXPECT_TRUE(memory.allocator.allocate(Request::ram(kAlice, 3)).ok());
}

TEST(FrameAllocator, GivesEachFrameOfARunOneReferenceAndAnOwner) {
    Memory memory{64};
    auto const run = memory.allocator.allocate(Request::ram(kAlice, 2)).value();
    for (std::uint64_t i = 0; i < 4; ++i) {
        auto const& info = memory.table.info(run + i);
        EXPECT_EQ(info.references, 1u);
        EXPECT_EQ(info.owner_id(), kAlice);
        EXPECT_EQ(info.state.use(), shadow_pt::Use::none);
        EXPECT_FALSE(info.special());
    }
    // They part ways.
    memory.table.drop_reference(run + 1);
    EXPECT_EQ(memory.table.info(run + 1).owner_id(), mm::kNobody);
    EXPECT_EQ(memory.table.info(run + 1).state.use(), shadow_pt::Use::free);
    EXPECT_EQ(memory.table.info(run + 2).owner_id(), kAlice);
}

TEST(FrameAllocator, CallsAnUncountedFrameOfADomainSpecial) {
    Memory memory{64};
    auto const special = memory.allocator.allocate_frame(Request::special(kAlice)).value();
    EXPECT_TRUE(special.info().special());
    auto const internal = memory.allocator.allocate_frame({}).value();
    EXPECT_FALSE(internal.info().special());
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 0u);
}

// --- quota ---------------------------------------------------------------------------------------------------------

TEST(FrameAllocator, GivesADomainNoMoreThanItsQuota) {
    Memory memory{64};
    memory.quotas[kAlice.raw()].set_limit(5);
    auto const four = memory.allocator.allocate(Request::ram(kAlice, 2));
    ASSERT_TRUE(four.ok());
    EXPECT_EQ(memory.allocator.allocate(Request::ram(kAlice, 1)).error(), Error::no_memory);
    EXPECT_TRUE(memory.allocator.allocate(Request::ram(kAlice)).ok());
    EXPECT_EQ(memory.allocator.allocate(Request::ram(kAlice)).error(), Error::no_memory);
    EXPECT_TRUE(memory.allocator.allocate(Request::ram(kBob)).ok());
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 5u);
}

TEST(FrameAllocator, ChargesNothingForAFailure) {
    Memory memory{8};
    EXPECT_FALSE(memory.allocator.allocate(Request::ram(kAlice, 5)).ok());
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 0u);
}

TEST(FrameAllocator, RefundsAtTheLastReference) {
    Memory memory{64};
    auto first = memory.allocator.allocate_frame(Request::ram(kAlice)).value();
    auto second = memory.table.take(first.mfn(), kAlice).value();
    first.reset();
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 1u);
    second.reset();
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 0u);
}

TEST(FrameAllocator, LetsAnExchangeGoBeyondTheLimit) {
    Memory memory{64};
    memory.quotas[kAlice.raw()].set_limit(1);
    auto const old = memory.allocator.allocate(Request::ram(kAlice)).value();
    auto const fresh = memory.allocator.allocate({.owner = kAlice, .counting = Counting::beyond_limit});
    ASSERT_TRUE(fresh.ok());
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 2u);
    memory.table.drop_reference(old);
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 1u);
}

TEST(Quota, NeverWraps) {
    mm::Quota quota;
    quota.set_limit(~std::uint64_t{0});
    EXPECT_TRUE(quota.charge(0xffff'fffe));
    EXPECT_FALSE(quota.charge(2));
    EXPECT_FALSE(quota.charge_beyond_limit(2));
    EXPECT_TRUE(quota.charge(1));
    EXPECT_EQ(quota.total(), 0xffff'ffffu);
}

TEST(Quota, StopsAtALimitThatFellBelowTheTotal) {
    mm::Quota quota;
    quota.set_limit(10);
    EXPECT_TRUE(quota.charge(10));
    quota.set_limit(3);
    EXPECT_FALSE(quota.charge(1));
    EXPECT_FALSE(quota.charge(0));
    quota.refund(8);
    EXPECT_TRUE(quota.charge(1));
}

TEST(Accounts, KnowOnlyDomains) {
    std::vector<mm::Quota> quotas(8);
    mm::Accounts const accounts{quotas};
    EXPECT_TRUE(accounts.valid(base::DomId{7}));
    EXPECT_FALSE(accounts.valid(base::DomId{8}));
    EXPECT_FALSE(accounts.valid(mm::kHypervisor));
}

// --- scrub ---------------------------------------------------------------------------------------------------------

TEST(FrameAllocator, NeverShowsOneOwnersBytesToTheNext) {
    Memory memory{32};
    for (int round = 0; round < 4; ++round) {
        std::vector<Mfn> frames;
        while (auto const frame = memory.allocator.allocate(Request::ram(round % 2 == 0 ? kAlice : kBob))) {
            EXPECT_TRUE(is_filled_with(frame.value(), 0));
            fill(frame.value(), 0xa5);
            frames.push_back(frame.value());
        }
        EXPECT_EQ(frames.size(), 31u);
        for (auto const frame : frames)
            memory.table.drop_reference(frame);
    }
}

TEST(FrameAllocator, ZeroesWhatFirmwareLeft) {
    Memory memory{64, 64};
    for (std::uint64_t i = 1; i < 64; ++i)
        fill(Mfn{i}, 0x5a);
    memory.allocator.add_memory(Mfn{1}, 63);
    auto const run = memory.allocator.allocate({.order = 3}).value();
    for (std::uint64_t i = 0; i < 8; ++i)
        EXPECT_TRUE(is_filled_with(run + i, 0));
}

TEST(FrameAllocator, LeavesFirmwareBytesToWhoTakesAnything) {
    Memory memory{64, 64};
    fill(Mfn{63}, 0x5a);
    memory.allocator.add_memory(Mfn{63}, 1);
    EXPECT_TRUE(is_filled_with(memory.allocator.allocate({.contents = Contents::any}).value(), 0x5a));
}

TEST(FrameAllocator, ShowsNoOwnersBytesEvenToWhoTakesAnything) {
    Memory memory{64, 64};
    memory.allocator.add_memory(Mfn{62}, 2);
    auto const frame = memory.allocator.allocate(Request::ram(kAlice)).value();
    fill(frame, 0xa5);
    memory.table.drop_reference(frame); // joins its neighbour, which was never scrubbed
    auto const run = memory.allocator.allocate({.order = 1, .contents = Contents::any}).value();
    EXPECT_TRUE(is_filled_with(frame, 0));
    fill(run, 0xa5);
    fill(run + 1, 0xa5);
    memory.allocator.give_back(run, 1);
    EXPECT_TRUE(is_filled_with(run, 0));
    EXPECT_TRUE(is_filled_with(run + 1, 0));
}

TEST(FrameAllocator, RemembersThatHalfOfARunIsUnscrubbed) {
    Memory memory{64, 64};
    fill(Mfn{32}, 0x5a);
    fill(Mfn{33}, 0x5a);
    memory.allocator.add_memory(Mfn{32}, 2);
    auto const clean = memory.allocator.allocate({}).value();
    memory.table.drop_reference(clean); // together again, half of it zeroes
    auto const run = memory.allocator.allocate({.order = 1}).value();
    EXPECT_TRUE(is_filled_with(run, 0));
    EXPECT_TRUE(is_filled_with(run + 1, 0));
}

// --- quarantine (SP-2) ---------------------------------------------------------------------------------------------

TEST(FrameAllocator, KeepsAFrameBackUntilTlbsForgotIt) {
    Memory memory{64, 64};
    memory.allocator.add_memory(Mfn{40}, 1);
    memory.clock.by_hand = true;
    auto const frame = memory.allocator.allocate(Request::ram(kAlice)).value();
    memory.table.drop_reference(frame);
    EXPECT_EQ(memory.allocator.statistics().quarantined, 1u);
    EXPECT_EQ(memory.free_frames(), 0u);

    EXPECT_EQ(memory.allocator.allocate({}).error(), Error::again);
    EXPECT_EQ(memory.clock.asked, 1);

    memory.clock.flush();
    EXPECT_EQ(memory.allocator.allocate({}).value(), frame);
    EXPECT_EQ(memory.allocator.statistics().quarantined, 0u);
}

TEST(FrameAllocator, RefundsAFrameInQuarantineAtOnce) {
    Memory memory{64};
    memory.clock.by_hand = true;
    memory.table.drop_reference(memory.allocator.allocate(Request::ram(kAlice)).value());
    EXPECT_EQ(memory.quotas[kAlice.raw()].total(), 0u);
    EXPECT_EQ(memory.table.take_any(Mfn{63}).error(), Error::not_found);
}

TEST(FrameAllocator, SaysNoMemoryIfQuarantineWouldNotHelp) {
    Memory memory{64, 64};
    memory.allocator.add_memory(Mfn{40}, 1);
    memory.clock.by_hand = true;
    memory.table.drop_reference(memory.allocator.allocate(Request::ram(kAlice)).value());
    EXPECT_EQ(memory.allocator.allocate({.order = 1}).error(), Error::no_memory);
}

TEST(FrameAllocator, ScrubsAfterTheLastStaleWrite) {
    Memory memory{64, 64};
    memory.allocator.add_memory(Mfn{40}, 1);
    memory.clock.by_hand = true;
    auto const frame = memory.allocator.allocate(Request::ram(kAlice)).value();
    memory.table.drop_reference(frame);
    fill(frame, 0xee); // another CPU of Alice's, through a stale TLB entry
    memory.clock.flush();
    EXPECT_EQ(memory.allocator.allocate(Request::ram(kBob)).value(), frame);
    EXPECT_TRUE(is_filled_with(frame, 0));
}

TEST(FrameAllocator, AsksForAFlushOnceInManyFrees) {
    Memory memory{1024};
    memory.clock.by_hand = true;
    auto const run = memory.allocator.allocate(Request::ram(kAlice, 9)).value();
    memory.allocator.give_back(run, 9);
    EXPECT_EQ(memory.clock.asked, 2); // 512 frames, every 256
    EXPECT_EQ(memory.allocator.statistics().quarantined, 512u);
}

TEST(FrameAllocator, ReclaimsInOrderAndAsManyAsAsked) {
    Memory memory{128};
    memory.clock.by_hand = true;
    auto const run = memory.allocator.allocate(Request::ram(kAlice, 6)).value();
    for (std::uint64_t i = 0; i < 40; ++i)
        memory.table.drop_reference(run + i);
    EXPECT_EQ(memory.allocator.reclaim(1000), 0u);
    memory.clock.flush();
    for (std::uint64_t i = 40; i < 64; ++i)
        memory.table.drop_reference(run + i);
    EXPECT_EQ(memory.allocator.reclaim(7), 7u);
    EXPECT_EQ(memory.allocator.reclaim(1000), 33u); // the others were given back after the flush
    EXPECT_EQ(memory.allocator.statistics().quarantined, 24u);
    memory.clock.flush();
    EXPECT_EQ(memory.allocator.reclaim(1000), 24u);
    EXPECT_TRUE(memory.allocator.allocate({.order = 6}).ok());
}

TEST(FrameAllocator, ScrubsOnlySoMuchInOneCall) { // SP-9
    Memory memory{2048, 2048};
    memory.allocator.add_memory(Mfn{1024}, 1024);
    memory.clock.by_hand = true;
    memory.allocator.give_back(memory.allocator.allocate(Request::ram(kAlice, 10)).value(), 10);
    memory.clock.flush();
    int calls = 1;
    for (; calls < 100; ++calls)
        if (auto const run = memory.allocator.allocate({.order = 10}); run.ok())
            break;
        else
            EXPECT_EQ(run.error(), Error::again);
    EXPECT_EQ(calls, 2);
}

TEST(FrameAllocator, DoesNotQuarantineWhatNoGuestCouldReach) {
    Memory memory{64};
    memory.clock.by_hand = true;
    memory.table.drop_reference(memory.allocator.allocate({}).value());
    EXPECT_EQ(memory.allocator.statistics().quarantined, 0u);
}

TEST(FrameAllocator, QuarantinesAShadowPageByItsOwnStamp) { // SP-11
    Memory memory{64};
    memory.clock.by_hand = true;
    auto const page = memory.allocator.allocate_frame({}).value().release();
    memory.table.info(page).state.stamp() = memory.clock.now();
    memory.table.drop_reference(page);
    EXPECT_EQ(memory.allocator.statistics().quarantined, 1u);
    memory.clock.flush();
    EXPECT_EQ(memory.allocator.reclaim(1), 1u);
}

// --- together ------------------------------------------------------------------------------------------------------

TEST(FrameAllocator, ServesSeveralCpusAtOnce) {
    Memory memory{2048};
    auto const work = [&](unsigned cpu) {
        arch_fake::OnCpu const here{base::CpuId{cpu}};
        base::DomId const owner{static_cast<std::uint16_t>(cpu + 1)};
        auto const mark = static_cast<unsigned char>(cpu + 1);
        for (int round = 0; round < 40; ++round) {
            std::vector<std::pair<Mfn, unsigned>> runs;
            for (unsigned order : {0u, 3u, 1u, 0u, 4u})
                if (auto const run = memory.allocator.allocate(Request::ram(owner, order))) {
                    runs.emplace_back(run.value(), order);
                    for (std::uint64_t i = 0; i < std::uint64_t{1} << order; ++i)
                        fill(run.value() + i, mark);
                }
            for (auto const& [run, order] : runs) {
                for (std::uint64_t i = 0; i < std::uint64_t{1} << order; ++i)
                    EXPECT_TRUE(is_filled_with(run + i, mark));
                memory.allocator.give_back(run, order);
            }
        }
    };
    std::vector<std::thread> cpus;
    for (unsigned cpu = 0; cpu < 2; ++cpu)
        cpus.emplace_back(work, cpu);
    for (auto& cpu : cpus)
        cpu.join();
    EXPECT_EQ(memory.free_frames(), 2047u);
    for (auto const& quota : memory.quotas)
        EXPECT_EQ(quota.total(), 0u);
    EXPECT_TRUE(memory.allocator.allocate({.order = 10}).ok());
}

} // namespace
