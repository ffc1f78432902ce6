/// The tracker by faults, step by step: who faults when, what is marked, and what is found only because D bits are looked at, too.
/// The test is the processor: it writes where the shadows let it, and faults where they do not.
#include <vector>

#include "fake_host.hpp"

namespace shadow_pt::test {
namespace {

using base::Error;
using base::Gfn;
using base::Mfn;
using base::Vaddr;

constexpr std::uint64_t kTable = pte::kPresent | pte::kUser | pte::kAccessed | pte::kWrite;
constexpr std::uint64_t kData = kTable | pte::kDirty;
constexpr std::uint64_t entry(std::uint64_t gfn, std::uint64_t flags) { return gfn << base::kPageShift | flags; }

// A root over an L3, which leads by one L2 to two L1s, each with a page of data.
constexpr unsigned kRoot = 1;
constexpr unsigned kL3 = 3;
constexpr unsigned kL2 = 4;
constexpr unsigned kL1[] = {5, 6};
constexpr unsigned kPage[] = {7, 8};
constexpr Vaddr address(unsigned which) { return Vaddr{std::uint64_t{which} << 21}; }

struct WriteProtect : testing::Test {
    WriteProtect() {
        word(kRoot, 0) = entry(kL3, kTable);
        word(kL3, 0) = entry(kL2, kTable);
        for (unsigned which : {0, 1}) {
            word(kL2, which) = entry(kL1[which], kTable);
            word(kL1[which], 0) = entry(kPage[which], kData);
        }
        root = paging.acquire_root(Gfn{kRoot}).value();
    }

    std::uint64_t& word(unsigned gfn, unsigned index) { return host.table(FakeHost::own_frame(gfn))[index]; }
    std::uint64_t& leaf(unsigned which) { return host.table(host.frame(FakeHost::own_frame(kL1[which])).link())[0]; }
    bool may_write(unsigned which) { return (leaf(which) & pte::kWrite) != 0; }
    unsigned marks(unsigned which) { return host.marks(FakeHost::own_frame(kPage[which])); }
    std::uint64_t faults() { return paging.counters().write_faults; }

    FaultAction fault(unsigned which, std::uint32_t code) {
        return paging.handle_fault(root, address(which), code).action;
    }
    /// A processor writes to a page.
    void write(unsigned which) {
        if (!may_write(which)) {
            ASSERT_EQ(fault(which, fault::kWrite | fault::kProtection), FaultAction::retry);
        }
        ASSERT_TRUE(may_write(which));
        leaf(which) |= pte::kDirty;
    }
    /// How often others had to flush so that a page could become a table; it is none, afterwards.
    unsigned flushes_to_be_a_table(unsigned which) {
        word(kPage[which], 0) = 0;
        auto const before = host.retired;
        EXPECT_TRUE(paging.pin(1, Gfn{kPage[which]}).ok());
        auto const flushes = host.retired - before;
        EXPECT_TRUE(paging.unpin(Gfn{kPage[which]}).ok());
        return flushes;
    }
    /// The pages that a harvest finds written, or somebody has marked since the last one.
    std::vector<unsigned> harvest() {
        while (!paging.harvest().ok()) {
        }
        host.flush_everyone();
        return take();
    }
    std::vector<unsigned> take() {
        std::vector<unsigned> found;
        for (unsigned which : {0, 1})
            if (marks(which) > taken[which]) {
                taken[which] = marks(which);
                found.push_back(which);
            }
        return found;
    }
    using Found = std::vector<unsigned>;

    void begin() {
        ASSERT_TRUE(paging.start_tracking(Tracker::write_protect).ok());
        harvest();
    }
    void end() {
        paging.stop_tracking();
        EXPECT_TRUE(paging.release_root(root).ok());
        host.expect_idle();
    }

    FakeHost host;
    Paging<FakeHost> paging{host};
    Root root;
    unsigned taken[2]{};
};

TEST_F(WriteProtect, ThePermissionGoesWhenTrackingBeginsAndComesWithTheFirstWrite) {
    EXPECT_TRUE(may_write(0) && may_write(1));
    begin();
    EXPECT_FALSE(may_write(0) || may_write(1));
    EXPECT_EQ(fault(1, 0), FaultAction::retry) << "a read";
    EXPECT_FALSE(may_write(1));
    write(0);
    EXPECT_EQ(faults(), 1U);
    write(0);
    EXPECT_EQ(faults(), 1U) << "once between two harvests";
    EXPECT_EQ(harvest(), Found{0});
    EXPECT_FALSE(may_write(0));
    EXPECT_EQ(harvest(), Found{});
    write(0);
    EXPECT_EQ(faults(), 2U);
    end();
}

TEST_F(WriteProtect, TablesThatHaveNoNumbersAnyMoreAreFoundFromTheRootsOn) {
    host.given_up = {kRoot, kL3, kL2, kL1[0], kL1[1]};
    ASSERT_TRUE(paging.start_tracking(Tracker::write_protect).ok());
    paging.starts_at(root);
    harvest();
    EXPECT_FALSE(may_write(0) || may_write(1));
    end();
}

TEST_F(WriteProtect, OnlyWhereWritesWereAllowedIsVisited) {
    begin();
    auto const before = paging.counters().tables_harvested.load();
    harvest();
    EXPECT_EQ(paging.counters().tables_harvested - before, 0U);
    write(1);
    harvest();
    EXPECT_EQ(paging.counters().tables_harvested - before, 1U) << "its L1";
    end();
}

TEST_F(WriteProtect, AWriteAfterItsMarkWasTakenIsToldByTheNextHarvest) { // SP-5
    begin();
    ASSERT_EQ(fault(0, fault::kWrite | fault::kProtection), FaultAction::retry);
    EXPECT_EQ(take(), Found{0}) << "the fault marked it";
    leaf(0) |= pte::kDirty;
    EXPECT_EQ(harvest(), Found{0});
    EXPECT_EQ(harvest(), Found{});
    end();
}

TEST_F(WriteProtect, WhatBecomesPresentIsProtectedFromTheStart) {
    begin();
    for (auto const value : {std::uint64_t{0}, entry(kPage[1], kData)})
        ASSERT_TRUE(paging.update_entry(base::address_of(Gfn{kL1[1]}), value, UpdateMode::normal).ok());
    EXPECT_FALSE(may_write(1));
    write(1);
    EXPECT_EQ(harvest(), Found{1});
    auto const old = entry(kPage[1], kData & ~pte::kAccessed);
    ASSERT_TRUE(paging.update_entry(base::address_of(Gfn{kL1[1]}), old, UpdateMode::normal).ok());
    EXPECT_EQ(fault(1, 0), FaultAction::retry) << "a read makes it young, and no more";
    EXPECT_FALSE(may_write(1));
    end();
}

TEST_F(WriteProtect, ADirtyPageThatIsUnmappedIsInTheLogAtOnce) { // SP-5
    begin();
    write(0);
    take();
    leaf(0) |= pte::kDirty;
    ASSERT_TRUE(paging.update_entry(base::address_of(Gfn{kL1[0]}), 0, UpdateMode::normal).ok());
    EXPECT_EQ(take(), Found{0});
    EXPECT_EQ(harvest(), Found{}) << "and its L1 is visited in vain";
    end();
}

TEST_F(WriteProtect, ATableThatIsVisitedAsOneOfAllAndWrittenToThenIsVisitedAgain) {
    begin();
    write(0); // a start of the harvest that now begins
    paging.starts_everywhere();
    host.impatient = true;
    while (may_write(0))
        ASSERT_EQ(paging.harvest().error(), Error::preempted);
    write(0); // in the middle of it
    host.impatient = false;
    harvest();
    EXPECT_FALSE(may_write(0)) << "or nobody would hear of the next write";
    end();
}

TEST_F(WriteProtect, AFrameThatBecomesATableIsFlushedFromTlbsThatKnewItWritable) { // SP-6
    begin();
    write(0);
    paging.starts_everywhere();
    while (!paging.harvest().ok()) {
    }
    ASSERT_TRUE(paging.update_entry(base::address_of(Gfn{kL1[0]}), 0, UpdateMode::normal).ok());
    EXPECT_EQ(flushes_to_be_a_table(0), 1U) << "that harvest's flush is still to come";
    end();
}

TEST_F(WriteProtect, SoItIsIfTheShadowWasEvictedMeanwhileAndTheNewOneProtects) { // SP-6, SP-10
    begin();
    write(0);
    EXPECT_EQ(paging.shed(1).error(), Error::no_memory) << "the root's list of starts, and what else must stay";
    ASSERT_FALSE(host.frame(FakeHost::own_frame(kL1[0])).link().valid());
    ASSERT_EQ(fault(0, 0), FaultAction::retry) << "a read";
    ASSERT_FALSE(may_write(0));
    auto const narrower = entry(kPage[0], kData & ~pte::kWrite);
    ASSERT_TRUE(paging.update_entry(base::address_of(Gfn{kL1[0]}), narrower, UpdateMode::normal).ok());
    EXPECT_EQ(flushes_to_be_a_table(0), 1U) << "a TLB may hold it writable still";
    end();
}

TEST_F(WriteProtect, TheHypervisorsOwnWriteIsAFirstWriteToo) {
    begin();
    auto const page = paging.resolve(root, address(1), {.write = true});
    ASSERT_TRUE(page.ok());
    EXPECT_TRUE(may_write(1));
    paging.done(page.value());
    EXPECT_EQ(harvest(), Found{1});
    EXPECT_FALSE(may_write(1));
    end();
}

TEST_F(WriteProtect, WhereTheListOfStartsIsTooShortEveryTableIsVisited) {
    begin();
    write(0);
    leaf(1) |= pte::kWrite | pte::kDirty; // in no list
    EXPECT_EQ(harvest(), Found{0});
    paging.starts_everywhere();
    EXPECT_EQ(harvest(), Found{1});
    EXPECT_FALSE(may_write(1));
    end();
}

TEST_F(WriteProtect, AHarvestThatIsPreemptedAtEachStepFindsTheSame) { // SP-9
    begin();
    write(0);
    write(1);
    host.impatient = true;
    EXPECT_EQ(harvest(), (Found{0, 1}));
    EXPECT_FALSE(may_write(0) || may_write(1));
    host.impatient = false;
    end();
}

TEST_F(WriteProtect, PagesOfOthersAreNotItsConcern) {
    auto const map = [&](std::uint64_t value) {
        return paging.update_entry(base::address_of(Gfn{kL1[0]}) + 8, value, UpdateMode::normal, {.domain = 1}).ok();
    };
    ASSERT_TRUE(map(entry(0, kData)));
    begin();
    EXPECT_NE((&leaf(0))[1] & pte::kWrite, 0U);
    ASSERT_TRUE(map(0));
    end();
}

TEST_F(WriteProtect, AfterItsEndAWriteFaultsOnceMoreAndIsNobodysConcern) {
    begin();
    paging.stop_tracking();
    take();
    write(0);
    EXPECT_EQ(take(), Found{});
    EXPECT_EQ(faults(), 0U);
    ASSERT_TRUE(paging.start_tracking().ok()) << "by dirty bits now";
    paging.starts_at(root);
    EXPECT_EQ(harvest(), Found{0});
    EXPECT_TRUE(may_write(0));
    end();
}

} // namespace
} // namespace shadow_pt::test
