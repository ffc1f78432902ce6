/// Eviction and bare tables, step by step (SP-3, SP-10, SP-11, SP-23): what stays, what goes to the log, what a guest can tell.
#include "fake_host.hpp"

namespace shadow_pt::test {
namespace {

using base::Error;
using base::Gfn;
using base::Mfn;
using base::Vaddr;

constexpr std::uint64_t kRead = pte::kPresent | pte::kUser | pte::kAccessed;
constexpr std::uint64_t kBoth = kRead | pte::kWrite;
constexpr std::uint64_t entry(std::uint64_t gfn, std::uint64_t flags) { return gfn << base::kPageShift | flags; }
constexpr base::Gaddr place(unsigned gfn, unsigned index) {
    return base::address_of(Gfn{gfn}) + index * sizeof(std::uint64_t);
}

// Two L4s over one L3, one L2 and two L1s: slot n of the first maps address n * 4096, of the second 2 MiB further.
constexpr unsigned kL4 = 1, kOther = 2, kL3 = 3, kL2 = 4, kL1 = 5, kSecond = 6, kData = 7, kMore = 8;
constexpr Vaddr page(unsigned slot) { return Vaddr{slot * base::kPageSize}; }
constexpr Vaddr kFar{base::kPageSize * base::kTableEntries};
constexpr unsigned kTables = 6;

struct Eviction : testing::Test {
    explicit Eviction(unsigned shadows = FakeHost::kMostShadows) : host{shadows} {
        word(kL4, 0) = word(kOther, 0) = entry(kL3, kBoth);
        word(kL3, 0) = entry(kL2, kBoth);
        word(kL2, 0) = entry(kL1, kBoth);
        word(kL2, 1) = entry(kSecond, kBoth);
        word(kL1, 0) = entry(kData, kBoth);
        word(kSecond, 0) = entry(kMore, kBoth);
    }
    std::uint64_t& word(unsigned gfn, unsigned index) { return host.table(FakeHost::own_frame(gfn))[index]; }
    FrameState& frame(unsigned gfn) { return host.frame(FakeHost::own_frame(gfn)); }
    bool has_shadow(unsigned gfn) { return frame(gfn).link().valid(); }
    std::uint64_t& shadow(unsigned gfn, unsigned index) { return host.table(frame(gfn).link())[index]; }
    base::Status write(unsigned gfn, unsigned index, std::uint64_t value, FakeHost::Source source = {}) {
        return paging.update_entry(place(gfn, index), value, UpdateMode::normal, source);
    }
    Root root(unsigned gfn = kL4) {
        auto const got = paging.acquire_root(Gfn{gfn});
        EXPECT_TRUE(got.ok());
        return got.value();
    }
    void end(Root const& used) {
        EXPECT_TRUE(paging.release_root(used).ok());
        host.expect_idle();
    }
    /// Evicts all that may go; answers how many shadows are left.
    std::uint64_t evict_all() {
        EXPECT_EQ(paging.shed(0).error(), Error::no_memory);
        check_all();
        return host.shadows_in_use();
    }
    FaultAction fault(Root const& used, Vaddr at, bool write = false) {
        auto const action = paging.handle_fault(used, at, write ? fault::kWrite : 0).action;
        check_all();
        return action;
    }
    void check_all() {
        for (unsigned gfn = 0; gfn < FakeHost::kOwnFrames; ++gfn)
            if (is_table(frame(gfn).use()))
                paging.check_invariants(FakeHost::own_frame(gfn));
    }

    FakeHost host;
    Paging<FakeHost> paging{host};
};

struct EvictionWithAFewPages : Eviction {
    EvictionWithAFewPages() : Eviction{4} {}
};

TEST_F(Eviction, WhatAVcpuHasAsARootStaysAndEverythingElseGoes) {
    auto const used = root();
    EXPECT_EQ(host.shadows_in_use(), kTables - 1);
    EXPECT_EQ(evict_all(), 1U);
    EXPECT_EQ(paging.bare_tables(), kTables - 2);
    EXPECT_TRUE(has_shadow(kL4));
    end(used);
    EXPECT_EQ(paging.bare_tables(), 0U);
}

TEST_F(Eviction, ATableWithoutItsShadowIsATableStill) { // SP-3
    ASSERT_TRUE(paging.pin(4, Gfn{kL4}).ok());
    auto const before = frame(kL1).word().count();
    EXPECT_TRUE(paging.shed(0).ok());
    EXPECT_EQ(paging.pin(4, Gfn{kL4}).error(), Error::invalid) << "it is pinned already";
    EXPECT_EQ(frame(kL1).word().count(), before);
    EXPECT_EQ(frame(kL1).use(), Use::l1);
    EXPECT_FALSE(paging.hold(Gfn{kL1}, Use::writable).ok());
    EXPECT_EQ(frame(kData).word(), UseWord(Use::writable, 1)) << "what it maps writable is no table";
    EXPECT_EQ(write(kL1, 1, entry(kL2, kBoth)).error(), Error::busy);
    EXPECT_TRUE(paging.unpin(Gfn{kL4}).ok());
    host.expect_idle();
}

TEST_F(Eviction, AFaultBringsTheTablesOnItsWayAndNoOthers) {
    auto const used = root();
    evict_all();
    EXPECT_EQ(fault(used, page(0)), FaultAction::retry);
    EXPECT_TRUE(has_shadow(kL3) && has_shadow(kL2) && has_shadow(kL1));
    EXPECT_FALSE(has_shadow(kSecond));
    EXPECT_EQ(shadow(kL1, 0) & pte::kFrame, FakeHost::own_frame(kData).raw() << base::kPageShift);
    EXPECT_EQ(fault(used, page(1)), FaultAction::reflect);
    end(used);
}

TEST_F(Eviction, AnEntryOfABareTableChangesWithAllThatItHolds) {
    ASSERT_TRUE(paging.pin(4, Gfn{kL4}).ok());
    EXPECT_TRUE(paging.shed(0).ok());
    EXPECT_TRUE(write(kL1, 0, entry(kMore, kBoth)).ok());
    EXPECT_EQ(frame(kData).word(), UseWord(Use::none, 0));
    EXPECT_EQ(frame(kMore).word(), UseWord(Use::writable, 2));
    EXPECT_TRUE(write(kL1, 0, entry(kMore, kRead)).ok());
    EXPECT_EQ(frame(kMore).word(), UseWord(Use::writable, 1));
    EXPECT_TRUE(write(kL2, 1, 0).ok());
    EXPECT_EQ(frame(kSecond).word(), UseWord(Use::none, 0)) << "its last entry is gone";
    EXPECT_EQ(frame(kMore).word(), UseWord(Use::none, 0));
    check_all();
    EXPECT_TRUE(paging.unpin(Gfn{kL4}).ok());
    host.expect_idle();
}

TEST_F(Eviction, AMappingThatABareTableLosesIsStampedSinceATlbMayHaveItStill) { // SP-6
    auto const used = root();
    ASSERT_EQ(fault(used, page(0), true), FaultAction::retry);
    evict_all();
    host.flush_everyone();
    ASSERT_TRUE(write(kL1, 0, 0).ok());
    EXPECT_FALSE(host.clock().is_safe(frame(kData).stamp().load()));
    end(used);
}

TEST_F(Eviction, ADirtyBitGoesToTheLogWithItsShadow) { // SP-5
    auto const used = root();
    ASSERT_EQ(fault(used, page(0), true), FaultAction::retry);
    shadow(kL1, 0) |= pte::kDirty;
    auto const before = host.marks(FakeHost::own_frame(kData));
    evict_all();
    EXPECT_EQ(host.marks(FakeHost::own_frame(kData)), before + 1);
    end(used);
}

TEST_F(Eviction, ATableThatTwoLeadToIsEvictedWhenBothHaveLetGo) {
    auto const one = root(kL4);
    auto const other = root(kOther);
    EXPECT_EQ(host.shadows_in_use(), kTables);
    EXPECT_EQ(evict_all(), 2U);
    EXPECT_FALSE(has_shadow(kL3));
    EXPECT_EQ(frame(kL3).word().count(), 2U);
    EXPECT_EQ(fault(one, page(0)), FaultAction::retry);
    auto const shadows = host.shadows_in_use();
    EXPECT_EQ(fault(other, page(0)), FaultAction::retry);
    EXPECT_EQ(host.shadows_in_use(), shadows) << "one shadow serves both";
    EXPECT_TRUE(paging.release_root(other).ok());
    end(one);
}

TEST_F(Eviction, AnEntryForAnothersFrameKeepsItsTablesShadow) { // SP-10
    auto const used = root();
    ASSERT_TRUE(write(kL1, 1, entry(0, kBoth), {.domain = 1}).ok());
    EXPECT_EQ(evict_all(), 2U);
    EXPECT_TRUE(has_shadow(kL1));
    EXPECT_EQ(fault(used, page(1), true), FaultAction::retry);
    EXPECT_EQ(host.foreign_writers(Mfn{FakeHost::kForeign}), 1);
    ASSERT_TRUE(write(kL1, 1, 0).ok());
    EXPECT_EQ(evict_all(), 1U);
    end(used);
}

TEST_F(Eviction, ATableWhoseWordsNameOthersThanItHoldsKeepsItsShadow) {
    auto const used = root();
    word(kL1, 0) = entry(kMore, kBoth); // by a device, behind our back
    EXPECT_EQ(evict_all(), 2U);
    EXPECT_TRUE(has_shadow(kL1));
    word(kL1, 0) = entry(kData, kBoth);
    end(used);
}

TEST_F(Eviction, AGrantIsMappedIntoABareTableByGivingItAShadow) {
    ASSERT_TRUE(paging.pin(1, Gfn{kL1}).ok());
    EXPECT_TRUE(paging.shed(0).ok());
    FlushDebt debt;
    auto const where = EntryPlace::in_table(place(kL1, 1));
    auto const lent = host.translate(Gfn{0}, {}, {.domain = 1}).value();
    ASSERT_TRUE(paging.map_grant(where, lent, kBoth, debt).ok());
    EXPECT_EQ(evict_all(), 1U);
    ASSERT_TRUE(paging.unmap_grant(where, lent.frame, debt).ok());
    static_cast<void>(debt.take());
    EXPECT_TRUE(paging.unpin(Gfn{kL1}).ok());
    host.expect_idle();
}

TEST_F(Eviction, WhatWasWrittenBelowAnUnhookedEntryIsFoundByTheNextHarvest) { // SP-19, SP-20
    auto const used = root();
    auto const other = root(kOther);
    ASSERT_EQ(fault(used, page(0), true), FaultAction::retry);
    ASSERT_TRUE(paging.start_tracking().ok());
    auto const harvest = [&] {
        auto const before = host.marks(FakeHost::own_frame(kData));
        paging.starts_at(used);
        while (!paging.harvest().ok()) {
        }
        host.flush_everyone();
        return host.marks(FakeHost::own_frame(kData)) > before;
    };
    for (int i = 0; i < 3; ++i)
        harvest();
    ASSERT_TRUE(write(kL1, 1, entry(0, kBoth), {.domain = 1}).ok()); // that L1 stays, whatever leads there
    shadow(kL3, 0) |= pte::kAccessed;                                // a walk, and a write
    shadow(kL2, 0) |= pte::kAccessed;
    shadow(kL1, 0) |= pte::kDirty;
    static_cast<void>(paging.shed(0));
    ASSERT_TRUE(has_shadow(kL1) && !has_shadow(kL2));
    EXPECT_TRUE(harvest());
    shadow(kL1, 0) |= pte::kDirty; // by a cached entry, after the visit and before that harvest's flush
    EXPECT_TRUE(harvest());
    EXPECT_FALSE(harvest());
    paging.stop_tracking();
    EXPECT_TRUE(paging.release_root(other).ok());
    ASSERT_TRUE(write(kL1, 1, 0).ok());
    end(used);
}

TEST_F(Eviction, AnAThatTheHandHasTakenIsAnAToAHarvest) { // SP-19
    auto const used = root();
    ASSERT_EQ(fault(used, page(0), true), FaultAction::retry);
    ASSERT_TRUE(paging.start_tracking().ok());
    auto const harvest = [&] {
        auto const before = host.marks(FakeHost::own_frame(kData));
        paging.starts_at(used);
        while (!paging.harvest().ok()) {
        }
        host.flush_everyone();
        return host.marks(FakeHost::own_frame(kData)) > before;
    };
    for (int i = 0; i < 3; ++i)
        harvest();
    shadow(kL3, 0) |= pte::kAccessed;
    shadow(kL2, 0) |= pte::kAccessed;
    shadow(kL1, 0) |= pte::kDirty;
    for (unsigned gfn : {kL3, kL2})
        ShadowSlot{host.table(frame(gfn).link()), 0}.age();
    EXPECT_TRUE(harvest());
    shadow(kL1, 0) |= pte::kDirty; // by a cached entry, before that harvest's flush
    EXPECT_TRUE(harvest()) << "the entries are tagged";
    EXPECT_FALSE(harvest());
    paging.stop_tracking();
    end(used);
}

TEST_F(EvictionWithAFewPages, TwoAddressesInTurnAreServedByAsManyPagesAsOneTakes) {
    auto const used = root();
    for (int i = 0; i < 20; ++i)
        for (Vaddr const at : {page(0), kFar}) {
            ASSERT_EQ(fault(used, at), FaultAction::retry);
            auto const walk = paging.walk(used, at);
            ASSERT_TRUE(walk.steps == 4 && ShadowEntry{walk.step[3].shadow_entry}.present());
        }
    EXPECT_GT(paging.counters().shadows_evicted, 30U);
    end(used);
}

TEST_F(EvictionWithAFewPages, APinNeverFailsForLackOfPages) {
    for (unsigned n = 0; n < 8; ++n) {
        word(20 + n, 0) = entry(kData, kRead);
        EXPECT_TRUE(paging.pin(1, Gfn{20 + n}).ok());
    }
    EXPECT_EQ(host.shadows_in_use(), 4U);
    EXPECT_EQ(paging.bare_tables(), 4U);
    for (unsigned n = 0; n < 8; ++n)
        EXPECT_TRUE(paging.unpin(Gfn{20 + n}).ok());
    host.expect_idle();
}

TEST_F(EvictionWithAFewPages, ACopyOvertakenByAnotherUseOfAPageOnItsWayStartsOver) { // SP-11
    word(kSecond, 0) = entry(kData, kBoth);
    auto const used = root();
    ASSERT_EQ(fault(used, page(0)), FaultAction::retry);
    auto const recycled = frame(kL1).link();
    // Another CPU, in the middle of the copy: the page is unmapped, and its L1's shadow becomes that of the second L1, whose
    // slot 0 has the same page.
    host.on_reference = [&](Mfn) {
        ASSERT_TRUE(write(kL1, 0, 0).ok());
        ASSERT_EQ(fault(used, kFar), FaultAction::retry);
        ASSERT_EQ(frame(kSecond).link(), recycled);
    };
    EXPECT_EQ(paging.resolve(used, page(0), {}).error(), Error::bad_address);
    end(used);
}

TEST_F(Eviction, ABareTableThatIsWantedAgainWhileItIsGivenUpLivesOn) { // SP-9
    ASSERT_TRUE(paging.pin(2, Gfn{kL2}).ok());
    ASSERT_TRUE(paging.pin(3, Gfn{kL3}).ok());
    EXPECT_TRUE(paging.shed(0).ok());
    ASSERT_TRUE(paging.unpin(Gfn{kL2}).ok());
    // The L3's entry goes: the L2 waits, with its L1s, in the middle of an update that is preempted.
    host.impatient = true;
    ASSERT_EQ(write(kL3, 0, 0).error(), Error::preempted);
    EXPECT_TRUE(frame(kL1).word().queued() || frame(kSecond).word().queued());
    host.impatient = false;
    EXPECT_TRUE(paging.pin(1, Gfn{kL1}).ok()) << "another CPU wants one of them";
    EXPECT_TRUE(write(kL3, 0, 0).ok());
    EXPECT_EQ(frame(kL1).word().count(), 1U);
    EXPECT_EQ(frame(kSecond).word(), UseWord(Use::none, 0));
    check_all();
    EXPECT_TRUE(paging.unpin(Gfn{kL1}).ok());
    EXPECT_TRUE(paging.unpin(Gfn{kL3}).ok());
    host.expect_idle();
}

TEST_F(Eviction, ATableThatIsPinnedForLaterTakesNoPageAndHoldsNoMoreThanTables) { // SP-23
    word(kL3, 1) = entry(kL1, kBoth);                                             // an L1 cannot be an L2
    EXPECT_FALSE(paging.pin(4, Gfn{kL4}, Shadows::later).ok());
    host.expect_idle();
    word(kL3, 1) = 0;
    ASSERT_TRUE(paging.pin(4, Gfn{kL4}, Shadows::later).ok());
    EXPECT_EQ(host.shadows_in_use(), 0U);
    EXPECT_EQ(frame(kL1).use(), Use::l1);
    EXPECT_EQ(frame(kL3).word().count(), 1U);
    EXPECT_EQ(frame(kData).use(), Use::none) << "nobody has looked at the L1";
    check_all();
    auto const used = root();
    EXPECT_EQ(host.shadows_in_use(), 1U);
    EXPECT_EQ(fault(used, page(0)), FaultAction::retry);
    EXPECT_EQ(host.shadows_in_use(), 4U);
    EXPECT_EQ(frame(kData).use(), Use::writable);
    check_all();
    EXPECT_TRUE(paging.unpin(Gfn{kL4}).ok());
    end(used);
}

TEST_F(Eviction, AnUnreadTableLosesTheWordsThatItMustNotHaveWhenItIsRead) { // SP-1, SP-23
    word(kL1, 1) = entry(kL2, kBoth);                                       // a table mapped writable
    word(kL1, 2) = entry(kL2, kRead);
    ASSERT_TRUE(paging.pin(4, Gfn{kL4}, Shadows::later).ok());
    auto const used = root();
    EXPECT_EQ(fault(used, page(0)), FaultAction::retry);
    EXPECT_EQ(fault(used, page(1)), FaultAction::reflect);
    EXPECT_EQ(word(kL1, 1), 0U);
    EXPECT_EQ(fault(used, page(2)), FaultAction::retry);
    EXPECT_EQ(frame(kL2).use(), Use::l2);
    check_all();
    EXPECT_TRUE(paging.unpin(Gfn{kL4}).ok());
    end(used);
}

TEST_F(Eviction, AnEntryOfAnUnreadTableIsCheckedWhenItIsWrittenAndHeldWhenTheTableIsRead) { // SP-7, SP-23
    ASSERT_TRUE(paging.pin(4, Gfn{kL4}, Shadows::later).ok());
    EXPECT_EQ(write(kL1, 0, entry(kL2, kBoth)).error(), Error::busy);
    EXPECT_TRUE(write(kL1, 0, entry(kL2, kRead)).ok());
    EXPECT_TRUE(write(kL1, 1, entry(kData, kBoth)).ok());
    EXPECT_EQ(frame(kData).use(), Use::none);
    check_all();
    auto const used = root();
    EXPECT_EQ(fault(used, page(1)), FaultAction::retry);
    EXPECT_EQ(frame(kData).use(), Use::writable);
    EXPECT_TRUE(write(kL1, 1, 0).ok());
    EXPECT_EQ(frame(kData).use(), Use::none);
    check_all();
    EXPECT_TRUE(paging.unpin(Gfn{kL4}).ok());
    end(used);
}

TEST_F(Eviction, AnUnreadTableThatIsGivenUpIsNeverRead) { // SP-23
    ASSERT_TRUE(paging.pin(4, Gfn{kL4}, Shadows::later).ok());
    ASSERT_TRUE(paging.unpin(Gfn{kL4}).ok());
    EXPECT_EQ(frame(kData).use(), Use::none);
    host.expect_idle();
}

TEST_F(Eviction, AnUnreadTableThatIsWantedAgainWhileItIsGivenUpStaysUnread) { // SP-9, SP-23
    word(kL1, 1) = word(kSecond, 1) = entry(kL3, kBoth);                      // a table mapped writable
    ASSERT_TRUE(paging.pin(3, Gfn{kL3}, Shadows::later).ok());
    host.impatient = true;
    ASSERT_EQ(write(kL3, 0, 0).error(), Error::preempted);
    host.impatient = false;
    unsigned const waits = frame(kL1).word().queued() ? kL1 : kSecond;
    ASSERT_TRUE(frame(waits).word().queued());
    EXPECT_TRUE(paging.pin(1, Gfn{waits}).ok()) << "what it says is not looked at";
    EXPECT_TRUE(write(kL3, 0, 0).ok());
    EXPECT_EQ(frame(waits).word().count(), 1U);
    EXPECT_EQ(word(waits, 1), entry(kL3, kBoth));
    check_all();
    EXPECT_TRUE(paging.unpin(Gfn{waits}).ok());
    EXPECT_TRUE(paging.unpin(Gfn{kL3}).ok());
    host.expect_idle();
}

TEST_F(Eviction, PinnedForLaterAndPreemptedAtEveryChanceTheSameComesOut) { // SP-9, SP-23
    host.impatient = true;
    unsigned calls = 1;
    while (!paging.pin(4, Gfn{kL4}, Shadows::later).ok())
        ++calls;
    EXPECT_GT(calls, 3U);
    check_all();
    while (!paging.unpin(Gfn{kL4}).ok()) {
    }
    host.expect_idle();
}

} // namespace
} // namespace shadow_pt::test
