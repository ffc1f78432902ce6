/// Single rules of shadow paging (docs/shadow-paging.md), each on a small tree of tables.
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

// A guest's address space: slot n of the L1 maps address n * 4096.
constexpr unsigned kL4 = 1;
constexpr unsigned kL3 = 2;
constexpr unsigned kL2 = 3;
constexpr unsigned kL1 = 4;
constexpr unsigned kData = 5;
constexpr Vaddr page(unsigned slot) { return Vaddr{slot * base::kPageSize}; }

struct ShadowPaging : testing::Test {
    explicit ShadowPaging(unsigned shadows = FakeHost::kMostShadows) : host{shadows} {
        word(kL4, 0) = entry(kL3, kBoth);
        word(kL3, 0) = entry(kL2, kBoth);
        word(kL2, 0) = entry(kL1, kBoth);
        word(kL1, 0) = entry(kData, kBoth);
    }

    std::uint64_t& word(unsigned gfn, unsigned index) { return host.table(FakeHost::own_frame(gfn))[index]; }
    FrameState& frame(unsigned gfn) { return host.frame(FakeHost::own_frame(gfn)); }
    ShadowEntry shadow(unsigned gfn, unsigned index) { return ShadowSlot{host.table(frame(gfn).link()), index}.load(); }
    base::Status write(unsigned gfn, unsigned index, std::uint64_t value, FakeHost::Source source = {}) {
        return paging.update_entry(place(gfn, index), value, UpdateMode::normal, source);
    }
    Root root() {
        auto const got = paging.acquire_root(Gfn{kL4});
        EXPECT_TRUE(got.ok());
        return got.value();
    }
    void end(Root const& used) {
        EXPECT_TRUE(paging.release_root(used).ok());
        host.expect_idle();
    }
    /// Calls @p operation until it is through; answers how often.
    template <typename F> unsigned repeat(F&& operation) {
        for (unsigned calls = 1; calls < 1000; ++calls) {
            auto const status = operation();
            if (status.ok())
                return calls;
            EXPECT_EQ(status.error(), Error::preempted);
        }
        ADD_FAILURE() << "it never ends";
        return 0;
    }

    FakeHost host;
    Paging<FakeHost> paging{host};
};

struct ShadowPagingWithoutPool : ShadowPaging {
    ShadowPagingWithoutPool() : ShadowPaging{0} {}
};

// --- SP-1, SP-3 ----------------------------------------------------------------------------------------------------------

TEST_F(ShadowPaging, AFrameThatIsMappedWritableBecomesNoTable) {
    ASSERT_TRUE(paging.pin(1, Gfn{kL1}).ok());
    EXPECT_EQ(paging.pin(1, Gfn{kData}).error(), Error::invalid);
    ASSERT_TRUE(write(kL1, 0, entry(kData, kRead)).ok());
    EXPECT_TRUE(paging.pin(1, Gfn{kData}).ok());
    EXPECT_TRUE(paging.unpin(Gfn{kData}).ok());
    EXPECT_TRUE(paging.unpin(Gfn{kL1}).ok());
    host.expect_idle();
}

TEST_F(ShadowPaging, ATableIsMappedReadOnlyOrNotAtAll) {
    ASSERT_TRUE(paging.pin(1, Gfn{kL1}).ok());
    EXPECT_EQ(write(kL1, 1, entry(kL1, kBoth)).error(), Error::busy);
    EXPECT_EQ(word(kL1, 1), 0U);
    EXPECT_TRUE(write(kL1, 1, entry(kL1, kRead)).ok());
    EXPECT_TRUE(paging.unpin(Gfn{kL1}).ok());
    host.expect_idle();
}

TEST_F(ShadowPaging, ATableOfOneLevelIsNoneOfAnother) {
    ASSERT_TRUE(paging.pin(4, Gfn{kL4}).ok());
    EXPECT_EQ(paging.pin(2, Gfn{kL1}).error(), Error::invalid);
    EXPECT_EQ(paging.pin(1, Gfn{kL2}).error(), Error::invalid);
    EXPECT_TRUE(paging.unpin(Gfn{kL4}).ok());
    host.expect_idle();
}

TEST_F(ShadowPaging, ASecondPinAndASecondUnpinAreInvalid) {
    ASSERT_TRUE(paging.pin(4, Gfn{kL4}).ok());
    EXPECT_EQ(paging.pin(4, Gfn{kL4}).error(), Error::invalid);
    EXPECT_TRUE(paging.unpin(Gfn{kL4}).ok());
    EXPECT_EQ(paging.unpin(Gfn{kL4}).error(), Error::invalid);
    host.expect_idle();
}

TEST_F(ShadowPaging, OnlyTheDomainsOwnRamBecomesATable) {
    for (auto const gfn : {FakeHost::kSpecial, FakeHost::kDevice, 999U})
        EXPECT_EQ(paging.pin(1, Gfn{gfn}).error(), Error::invalid);
    host.expect_idle();
}

TEST_F(ShadowPaging, ATableWithABadEntryIsRefusedAndLeavesNothingBehind) {
    word(kL1, 7) = entry(999, kRead);
    EXPECT_FALSE(paging.pin(4, Gfn{kL4}).ok());
    host.expect_idle();
    word(kL1, 7) = std::uint64_t{1} << 50 | kRead;
    EXPECT_EQ(paging.pin(4, Gfn{kL4}).error(), Error::invalid);
    host.expect_idle();
}

TEST_F(ShadowPaging, ADescriptorPageIsNotWritten) {
    auto const held = paging.hold(Gfn{kData}, Use::descriptor);
    ASSERT_TRUE(held.ok());
    EXPECT_FALSE(write(kData, 0, 1).ok());
    EXPECT_FALSE(paging.pin(1, Gfn{kL1}).ok());
    paging.unhold(held.value(), Use::descriptor);
    EXPECT_TRUE(write(kData, 0, 1).ok());
    host.expect_idle();
}

// --- SP-6 ----------------------------------------------------------------------------------------------------------------

TEST_F(ShadowPaging, ATableIsReadOnlyAfterEveryCpuHasLostItsWritableEntry) {
    ASSERT_TRUE(paging.pin(1, Gfn{kL1}).ok());
    ASSERT_TRUE(write(kL1, 0, entry(kData, kBoth | pte::kDirty)).ok());
    ASSERT_TRUE(write(kL1, 0, entry(kData, kRead)).ok());
    host.on_retire = [&] { word(kData, 3) = entry(9, kRead); };
    ASSERT_TRUE(paging.pin(1, Gfn{kData}).ok());
    EXPECT_EQ(host.retired, 1U);
    EXPECT_EQ(shadow(kData, 3).frame(), FakeHost::own_frame(9));
    EXPECT_TRUE(paging.unpin(Gfn{kData}).ok());
    EXPECT_TRUE(paging.unpin(Gfn{kL1}).ok());
    host.expect_idle();
}

TEST_F(ShadowPaging, ATableThatEveryCpuHasFlushedSinceCostsNoFlush) {
    ASSERT_TRUE(paging.pin(1, Gfn{kL1}).ok());
    ASSERT_TRUE(write(kL1, 0, entry(kData, kBoth | pte::kDirty)).ok());
    ASSERT_TRUE(write(kL1, 0, entry(kData, kRead)).ok());
    host.flush_everyone();
    ASSERT_TRUE(paging.pin(1, Gfn{kData}).ok());
    EXPECT_EQ(host.retired, 0U);
}

TEST_F(ShadowPaging, ATableWhoseWritableEntryLostItsDirtyBitFirstIsReadOnlyAllTheSame) {
    auto const used = root();
    ASSERT_TRUE(write(kL1, 0, entry(kData, kBoth | pte::kDirty)).ok()); // from here on TLBs may write
    ASSERT_TRUE(write(kL1, 0, entry(kData, kBoth)).ok());               // and still do: the guest did not flush
    FlushDebt debt;
    ASSERT_TRUE(paging.update_va(used, page(0), entry(kData, kRead), debt).ok());
    EXPECT_TRUE(debt.empty()) << "that entry let nobody write";
    host.on_retire = [&] { word(kData, 3) = entry(9, kRead); };
    ASSERT_TRUE(paging.pin(1, Gfn{kData}).ok());
    EXPECT_EQ(host.retired, 1U);
    EXPECT_EQ(shadow(kData, 3).frame(), FakeHost::own_frame(9));
    EXPECT_TRUE(paging.unpin(Gfn{kData}).ok());
    end(used);
}

// --- SP-9, SP-10 -----------------------------------------------------------------------------------------------------------

TEST_F(ShadowPaging, PreemptedAtEveryChanceEverythingEndsAndNothingLeaks) {
    for (unsigned n = 1; n < 8; ++n)
        word(kL2, n) = entry(10 + n, kBoth);
    host.impatient = true;
    EXPECT_GT(repeat([&] { return paging.pin(4, Gfn{kL4}); }), 5U);
    EXPECT_GT(repeat([&] { return paging.unpin(Gfn{kL4}); }), 5U);
    host.expect_idle();
}

TEST_F(ShadowPagingWithoutPool, APinSucceedsAndARootIsRefused) {
    EXPECT_TRUE(paging.pin(4, Gfn{kL4}).ok());
    EXPECT_EQ(paging.acquire_root(Gfn{kL4}).error(), Error::no_memory);
    EXPECT_TRUE(write(kL1, 1, entry(kData, kRead)).ok());
    EXPECT_TRUE(paging.unpin(Gfn{kL4}).ok());
    host.expect_idle();
}

TEST_F(ShadowPagingWithoutPool, AGrantIsNotMappedIntoATableWithoutAShadow) {
    ASSERT_TRUE(paging.pin(1, Gfn{kL1}).ok());
    FlushDebt debt;
    auto const where = EntryPlace::in_table(place(kL1, 1));
    Target const grant{
        .frame = base::Mfn{FakeHost::kForeign}, .kind = TargetKind::foreign, .shown = Gfn{FakeHost::kForeign}};
    EXPECT_FALSE(paging.map_grant(where, grant, kBoth, debt).ok());
    EXPECT_FALSE(paging.unmap_grant(where, grant.frame, debt).ok());
    EXPECT_TRUE(paging.unpin(Gfn{kL1}).ok());
    host.expect_idle();
}

// --- SP-14: entries that map grants --------------------------------------------------------------------------------------

struct ShadowPagingGrants : ShadowPaging {
    static constexpr unsigned kMoved = 6;
    ShadowPagingGrants() {
        word(kL1, 1) = 0;
        word(kL1, 2) = entry(kMoved, kBoth);
        used = root();
        auto const lent = host.translate(Gfn{0}, {}, {.domain = 1}).value();
        EXPECT_TRUE(paging.map_grant(EntryPlace::at_address(used, page(1)), lent, kBoth, debt).ok());
    }
    base::Status replace(Vaddr donor, Mfn granted = kGranted) {
        return paging.replace_grant(EntryPlace::at_address(used, page(1)), granted, used, donor, debt);
    }
    void expect_untouched() {
        EXPECT_EQ(shadow(kL1, 1).frame(), kGranted);
        EXPECT_EQ(shadow(kL1, 2).frame(), FakeHost::own_frame(kMoved));
        EXPECT_EQ(word(kL1, 2), entry(kMoved, kBoth));
        EXPECT_EQ(frame(kMoved).word().count(), 1U);
    }
    void finish() {
        static_cast<void>(debt.take());
        for (unsigned const index : {1U, 2U})
            EXPECT_TRUE(write(kL1, index, 0).ok());
        end(used);
    }
    static constexpr Mfn kGranted{FakeHost::kForeign};
    FlushDebt debt;
    Root used;
};

TEST_F(ShadowPagingGrants, AnEntryMovesToWhereAGrantWasWithAllThatItHolds) {
    EXPECT_TRUE(replace(page(2)).ok());
    EXPECT_EQ(word(kL1, 1), entry(kMoved, kBoth));
    EXPECT_EQ(shadow(kL1, 1).frame(), FakeHost::own_frame(kMoved));
    EXPECT_EQ(word(kL1, 2), 0U);
    EXPECT_TRUE(shadow(kL1, 2).empty());
    EXPECT_EQ(frame(kMoved).word().count(), 1U) << "one writer, as before";
    EXPECT_EQ(frame(FakeHost::kForeign - FakeHost::kOwn).word().count(), 0U)
        << "the granter's frame is free to be used";
    EXPECT_TRUE(debt.take().remote.all()) << "whoever has used the grant may still do so";
    finish();
}

TEST_F(ShadowPagingGrants, WithAnotherFrameInThePlaceNothingMoves) {
    EXPECT_FALSE(replace(page(2), Mfn{FakeHost::kForeign + 1}).ok());
    expect_untouched();
    finish();
}

TEST_F(ShadowPagingGrants, AnAddressWithoutATableGivesNothing) {
    EXPECT_FALSE(replace(Vaddr{std::uint64_t{1} << 30}).ok());
    expect_untouched();
    finish();
}

TEST_F(ShadowPagingGrants, AnEntryThatIsNotPresentMovesAsWell) {
    EXPECT_TRUE(write(kL1, 2, 0x1000).ok());
    EXPECT_TRUE(replace(page(2)).ok());
    EXPECT_EQ(word(kL1, 1), 0x1000U);
    EXPECT_TRUE(shadow(kL1, 1).empty());
    EXPECT_EQ(word(kL1, 2), 0U);
    finish();
}

TEST_F(ShadowPagingGrants, TheGrantsOwnEntryCannotTakeItsOwnPlace) {
    EXPECT_FALSE(replace(page(1)).ok());
    expect_untouched();
    finish();
}

// --- SP-13 -----------------------------------------------------------------------------------------------------------------

TEST_F(ShadowPaging, OneTableServesAsBothRoots) {
    auto const kernel = root();
    auto const user = root();
    EXPECT_EQ(kernel.shadow, user.shadow);
    EXPECT_TRUE(paging.release_root(kernel).ok());
    EXPECT_EQ(frame(kL4).use(), Use::l4);
    end(user);
}

TEST_F(ShadowPaging, StaleWordsInTheHypervisorsSlotsAreIgnored) {
    for (unsigned index = kFirstHypervisorSlot; index < kEndHypervisorSlot; ++index)
        word(kL4, index) = ~std::uint64_t{0};
    auto const used = root();
    for (unsigned index = kFirstHypervisorSlot; index < kEndHypervisorSlot; ++index)
        EXPECT_TRUE(shadow(kL4, index).empty());
    EXPECT_EQ(write(kL4, kFirstHypervisorSlot, 0).error(), Error::invalid);
    end(used);
}

// --- SP-14 -----------------------------------------------------------------------------------------------------------------

TEST_F(ShadowPaging, ALentEntryIsKeptWithNoMoreRightsAndNotCopied) {
    constexpr auto kLent = FakeHost::kForeign;
    auto const used = root();
    ASSERT_TRUE(write(kL1, 1, entry(0, kRead), {.domain = 1}).ok());
    EXPECT_EQ(word(kL1, 1), entry(kLent, kRead));
    EXPECT_TRUE(write(kL1, 1, entry(kLent, kRead | pte::kNoExecute)).ok());
    EXPECT_FALSE(write(kL1, 1, entry(kLent, kBoth)).ok());
    EXPECT_FALSE(write(kL1, 2, entry(kLent, kRead)).ok());
    EXPECT_EQ(word(kL1, 1), entry(kLent, kRead | pte::kNoExecute));
    EXPECT_TRUE(write(kL1, 1, 0).ok());
    end(used);
}

// --- SP-5, SP-15, SP-16 ------------------------------------------------------------------------------------------------------

TEST_F(ShadowPaging, AnEntryIsNotWritableUntilTheGuestsEntryHasD) {
    auto const used = root();
    EXPECT_TRUE(shadow(kL1, 0).present());
    EXPECT_FALSE(shadow(kL1, 0).writable());
    EXPECT_EQ(paging.handle_fault(used, page(0), fault::kProtection).action, FaultAction::retry);
    EXPECT_FALSE(GuestEntry{word(kL1, 0)}.dirty());
    EXPECT_EQ(paging.handle_fault(used, page(0), fault::kProtection | fault::kWrite).action, FaultAction::retry);
    EXPECT_TRUE(GuestEntry{word(kL1, 0)}.dirty());
    EXPECT_TRUE(shadow(kL1, 0).writable());
    end(used);
}

TEST_F(ShadowPaging, APageThatWasWrittenIsInTheLogWhenItsEntryGoes) {
    auto const used = root();
    static_cast<void>(paging.handle_fault(used, page(0), fault::kProtection | fault::kWrite));
    host.table(frame(kL1).link())[0] |= pte::kDirty; // as a processor does
    ASSERT_EQ(host.marks(FakeHost::own_frame(kData)), 0U);
    EXPECT_TRUE(write(kL1, 0, 0).ok());
    EXPECT_EQ(host.marks(FakeHost::own_frame(kData)), 1U);
    end(used);
}

TEST_F(ShadowPaging, AnEntryThatLosesPAndNothingElseIsGone) {
    auto const used = root();
    for (auto const mode : {UpdateMode::normal, UpdateMode::preserve_ad}) {
        ASSERT_TRUE(write(kL1, 1, entry(kData, kBoth)).ok());
        ASSERT_TRUE(paging.update_entry(place(kL1, 1), entry(kData, kBoth) & ~pte::kPresent, mode).ok());
        EXPECT_TRUE(shadow(kL1, 1).empty());
        EXPECT_EQ(paging.handle_fault(used, page(1), 0).action, FaultAction::reflect);
    }
    end(used);
}

TEST_F(ShadowPaging, AnEntryThatBecomesPresentIsYoungAndOneMadeOldIsHidden) {
    auto const used = root();
    ASSERT_TRUE(write(kL1, 1, entry(kData, kRead & ~pte::kAccessed)).ok());
    EXPECT_EQ(word(kL1, 1), entry(kData, kRead));
    ASSERT_TRUE(write(kL1, 1, entry(kData, kRead & ~pte::kAccessed)).ok());
    EXPECT_TRUE(shadow(kL1, 1).hidden());
    EXPECT_EQ(paging.handle_fault(used, page(1), 0).action, FaultAction::retry);
    EXPECT_EQ(word(kL1, 1), entry(kData, kRead));
    EXPECT_TRUE(shadow(kL1, 1).present());
    end(used);
}

// --- SP-17, SP-18 --------------------------------------------------------------------------------------------------------------

TEST_F(ShadowPaging, AFaultOfTheGuestsOwnIsReflectedWithItsOwnErrorCode) {
    auto const used = root();
    auto const absent = paging.handle_fault(used, page(9), fault::kProtection | fault::kWrite);
    EXPECT_EQ(absent.action, FaultAction::reflect);
    EXPECT_EQ(absent.error_code, fault::kWrite);
    ASSERT_TRUE(write(kL1, 1, entry(kData, kRead)).ok());
    auto const forbidden = paging.handle_fault(used, page(1), fault::kWrite);
    EXPECT_EQ(forbidden.action, FaultAction::reflect);
    EXPECT_EQ(forbidden.error_code, fault::kWrite | fault::kProtection);
    end(used);
}

TEST_F(ShadowPaging, AStoreToATableIsEmulatedAndKeepsTheShadowInStep) {
    auto const used = root();
    ASSERT_TRUE(write(kL1, 1, entry(kL1, kRead)).ok());
    auto const at = page(1) + 2 * sizeof(std::uint64_t);
    EXPECT_EQ(paging.handle_fault(used, at, fault::kWrite).action, FaultAction::emulate);
    auto const store = [](std::uint64_t) { return entry(9, kRead); };
    ASSERT_TRUE(paging.emulate_store(used, at, store).ok());
    EXPECT_EQ(word(kL1, 2), entry(9, kRead));
    EXPECT_EQ(shadow(kL1, 2).frame(), FakeHost::own_frame(9));
    auto const wrong = [](std::uint64_t) { return entry(999, kRead); };
    EXPECT_FALSE(paging.emulate_store(used, at, wrong).ok());
    EXPECT_EQ(word(kL1, 2), entry(9, kRead));
    end(used);
}

} // namespace
} // namespace shadow_pt::test
