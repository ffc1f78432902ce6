/// Harvests, step by step: what is visited, what is found, and what is found only by the second of two (SP-19 to SP-22). The test
/// is the processor: it sets A and D in shadows as a walk would, or D alone, as a walk by cached upper entries would.
#include <vector>

#include "fake_host.hpp"

namespace shadow_pt::test {
namespace {

using base::Error;
using base::Gfn;
using base::Mfn;

constexpr std::uint64_t kTable = pte::kPresent | pte::kUser | pte::kAccessed | pte::kWrite;
constexpr std::uint64_t kData = kTable | pte::kDirty;
constexpr std::uint64_t entry(std::uint64_t gfn, std::uint64_t flags) { return gfn << base::kPageShift | flags; }

// Two roots, 1 and 2, over one L3, which leads by one L2 to two L1s, each with a page of data.
constexpr unsigned kRoot = 1;
constexpr unsigned kOther = 2;
constexpr unsigned kL3 = 3;
constexpr unsigned kL2 = 4;
constexpr unsigned kL1[] = {5, 6};
constexpr unsigned kPage[] = {7, 8};

struct Harvests : testing::Test {
    Harvests() {
        word(kRoot, 0) = word(kOther, 0) = entry(kL3, kTable);
        word(kL3, 0) = entry(kL2, kTable);
        for (unsigned which : {0, 1}) {
            word(kL2, which) = entry(kL1[which], kTable);
            word(kL1[which], 0) = entry(kPage[which], kData);
        }
    }

    std::uint64_t& word(unsigned gfn, unsigned index) { return host.table(FakeHost::own_frame(gfn))[index]; }
    std::uint64_t& shadow(unsigned gfn, unsigned index) {
        return host.table(host.frame(FakeHost::own_frame(gfn)).link())[index];
    }
    Root use(unsigned gfn) {
        auto const root = paging.acquire_root(Gfn{gfn});
        EXPECT_TRUE(root.ok());
        return root.value();
    }
    /// A processor writes to a page: by a whole walk, or by a copy that it has of the entry for the L1.
    void write(unsigned which) {
        shadow(kL3, 0) |= pte::kAccessed;
        shadow(kL2, which) |= pte::kAccessed;
        write_by_cached_entry(which);
    }
    void write_by_cached_entry(unsigned which) { shadow(kL1[which], 0) |= pte::kDirty; }

    /// The pages that a harvest finds written. @p current: the roots that vCPUs have.
    std::vector<unsigned> harvest(std::vector<Root> const& current) {
        unsigned const before[] = {host.marks(FakeHost::own_frame(kPage[0])),
                                   host.marks(FakeHost::own_frame(kPage[1]))};
        for (auto const& root : current)
            paging.starts_at(root);
        while (!paging.harvest().ok()) {
        }
        host.flush_everyone();
        std::vector<unsigned> found;
        for (unsigned which : {0, 1})
            if (host.marks(FakeHost::own_frame(kPage[which])) > before[which])
                found.push_back(which);
        return found;
    }
    std::uint64_t visited() { return paging.counters().tables_harvested; }
    using Found = std::vector<unsigned>;

    /// Tracks from here on, with nothing touched: what was marked at first takes two harvests to be forgotten.
    void begin(std::vector<Root> const& current) {
        ASSERT_TRUE(paging.start_tracking().ok());
        for (unsigned i = 0; i < 3; ++i)
            harvest(current);
    }
    void end(std::vector<Root> const& roots) {
        paging.stop_tracking();
        for (auto const& root : roots)
            EXPECT_TRUE(paging.release_root(root).ok());
    }

    FakeHost host;
    Paging<FakeHost> paging{host};
};

TEST_F(Harvests, APageThatWasWrittenIsFoundOnce) {
    auto const root = use(kRoot);
    begin({root});
    EXPECT_EQ(harvest({root}), Found{});
    write(1);
    EXPECT_EQ(harvest({root}), Found{1});
    EXPECT_EQ(harvest({root}), Found{});
    EXPECT_EQ(shadow(kL1[1], 0) & pte::kDirty, 0U);
    end({root});
    host.expect_idle();
}

TEST_F(Harvests, WhatNobodyTouchedIsNotVisited) {
    auto const root = use(kRoot);
    begin({root});
    auto const before = visited();
    harvest({root});
    EXPECT_EQ(visited() - before, 2U) << "the root, whose A bits are in the CPUs' own pages, and its L3";
    write(0);
    harvest({root});
    EXPECT_EQ(visited() - before, 2U + 4U) << "the root, its L3, its L2, one of two L1s";
    end({root});
}

TEST_F(Harvests, AWriteByACachedUpperEntryIsFoundByTheNextHarvestSinceTheEntryIsTagged) { // SP-19
    auto const root = use(kRoot);
    begin({root});
    write(0);
    EXPECT_EQ(harvest({root}), Found{0});
    write_by_cached_entry(0); // before that harvest's flush
    EXPECT_EQ(harvest({root}), Found{0});
    auto const before = visited();
    EXPECT_EQ(harvest({root}), Found{});
    EXPECT_EQ(visited() - before, 2U) << "and then the tag is gone";
    end({root});
}

TEST_F(Harvests, ATableThatTwoRootsLeadToIsVisitedOnce) { // SP-20
    auto const root = use(kRoot), other = use(kOther);
    begin({root, other});
    write(0);
    auto const before = visited();
    EXPECT_EQ(harvest({root, other}), Found{0});
    EXPECT_EQ(visited() - before, 5U);
    end({root, other});
}

TEST_F(Harvests, ARootThatAVcpuHadBetweenTwoHarvestsIsAStart) {
    ASSERT_TRUE(paging.pin(4, Gfn{kRoot}).ok());
    ASSERT_TRUE(paging.start_tracking().ok());
    for (unsigned i = 0; i < 3; ++i)
        harvest({});
    auto const root = use(kRoot);
    write(0);
    ASSERT_TRUE(paging.release_root(root).ok());
    EXPECT_EQ(harvest({}), Found{0});
    write_by_cached_entry(0); // after the visit, before the vCPU had another root
    EXPECT_EQ(harvest({}), Found{0}) << "the starts of one harvest are those of the next one, too";
    auto const before = visited();
    harvest({});
    EXPECT_EQ(visited(), before) << "and then they are forgotten";
    end({});
    ASSERT_TRUE(paging.unpin(Gfn{kRoot}).ok());
    host.expect_idle();
}

TEST_F(Harvests, ATableThatLosesTheEntryByWhichItWasWrittenIsAStart) {
    ASSERT_TRUE(paging.pin(2, Gfn{kL2}).ok());
    auto const root = use(kRoot);
    begin({root});
    write(1);
    ASSERT_TRUE(paging.update_entry(base::address_of(Gfn{kL3}), 0, UpdateMode::normal).ok());
    EXPECT_EQ(harvest({root}), Found{1});
    end({root});
    ASSERT_TRUE(paging.unpin(Gfn{kL2}).ok());
    host.expect_idle();
}

TEST_F(Harvests, WhatWasWrittenBelowAnEntryThatTheGuestHasMadeOldIsFound) {
    auto const root = use(kRoot);
    begin({root});
    write(0);
    auto const old = entry(kL1[0], kTable & ~pte::kAccessed); // the same table, A clear: its shadow's entry is hidden
    ASSERT_TRUE(paging.update_entry(base::address_of(Gfn{kL2}), old, UpdateMode::normal).ok());
    EXPECT_EQ(shadow(kL2, 0) & pte::kPresent, 0U);
    EXPECT_EQ(harvest({root}), Found{0});
    end({root});
}

TEST_F(Harvests, WhereTheListOfStartsIsTooShortEveryTableIsVisited) {
    ASSERT_TRUE(paging.pin(4, Gfn{kRoot}).ok());
    ASSERT_TRUE(paging.start_tracking().ok());
    harvest({});
    write(1);
    EXPECT_EQ(harvest({}), Found{}) << "nobody has told of the root";
    paging.starts_everywhere();
    EXPECT_EQ(harvest({}), Found{1});
    end({});
    ASSERT_TRUE(paging.unpin(Gfn{kRoot}).ok());
    host.expect_idle();
}

TEST_F(Harvests, ADirtyPageThatIsUnmappedIsInTheLogAtOnce) { // SP-5
    auto const root = use(kRoot);
    begin({root});
    write(0);
    auto const before = host.marks(FakeHost::own_frame(kPage[0]));
    ASSERT_TRUE(paging.update_entry(base::address_of(Gfn{kL1[0]}), 0, UpdateMode::normal).ok());
    EXPECT_GT(host.marks(FakeHost::own_frame(kPage[0])), before);
    end({root});
}

TEST_F(Harvests, AHarvestThatIsPreemptedAtEachStepFindsTheSame) { // SP-9
    auto const root = use(kRoot);
    begin({root});
    write(0);
    write(1);
    host.impatient = true;
    EXPECT_EQ(harvest({root}), (Found{0, 1}));
    host.impatient = false;
    end({root});
}

TEST_F(Harvests, WhatAnOperationThatWasNotGoneOnWithHasTakenAwayIsFoundToo) {
    // As of a guest that is stopped in the middle of one.
    auto const root = use(kRoot);
    ASSERT_TRUE(paging.pin(1, Gfn{kL1[1]}).ok()); // lives on
    begin({root});
    write(0);
    write(1);
    host.impatient = true;
    ASSERT_EQ(paging.update_entry(base::address_of(Gfn{kRoot}), 0, UpdateMode::normal).error(), Error::preempted);
    host.impatient = false;
    EXPECT_EQ(harvest({root}), (Found{0, 1}));
    EXPECT_EQ(harvest({root}), Found{});
    ASSERT_TRUE(paging.unpin(Gfn{kL1[1]}).ok());
    end({root});
    host.expect_idle();
}

TEST_F(Harvests, ATableThatIsGivenUpInTheMiddleIsPassedOver) {
    auto const root = use(kRoot);
    begin({root});
    write(0);
    write(1);
    host.impatient = true;
    paging.starts_at(root);
    ASSERT_EQ(paging.harvest().error(), Error::preempted); // at the L3
    ASSERT_EQ(paging.harvest().error(), Error::preempted); // at the L2
    host.impatient = false;
    ASSERT_TRUE(paging.update_entry(base::address_of(Gfn{kL3}), 0, UpdateMode::normal).ok());
    EXPECT_TRUE(paging.harvest().ok());
    for (auto const page : kPage)
        EXPECT_GT(host.marks(FakeHost::own_frame(page)), 0U);
    end({root});
    host.expect_idle();
}

TEST_F(Harvests, TrackingTakesThreePagesOfThePoolAndGivesThemBack) {
    FakeHost poor{2};
    Paging<FakeHost> other{poor};
    EXPECT_EQ(other.start_tracking().error(), Error::no_memory);
    poor.expect_idle();
    ASSERT_TRUE(paging.start_tracking().ok());
    EXPECT_EQ(paging.start_tracking().error(), Error::exists);
    paging.stop_tracking();
    host.expect_idle();
}

TEST_F(Harvests, WhoMayWriteToAnothersFrameIsCounted) { // SP-21
    auto const root = use(kRoot);
    auto const foreign = Mfn{FakeHost::kForeign};
    auto const map = [&](std::uint64_t value) {
        return paging.update_entry(base::address_of(Gfn{kL1[0]}) + 8, value, UpdateMode::normal, {.domain = 1}).ok();
    };
    ASSERT_TRUE(map(entry(0, kTable)));
    EXPECT_EQ(host.foreign_writers(foreign), 1);
    ASSERT_TRUE(map(entry(0, kTable & ~pte::kWrite)));
    EXPECT_EQ(host.foreign_writers(foreign), 0);
    ASSERT_TRUE(map(0));
    EXPECT_EQ(host.foreign_writers(foreign), 0);
    ASSERT_TRUE(paging.release_root(root).ok());
}

} // namespace
} // namespace shadow_pt::test
