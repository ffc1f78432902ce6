/// Grant tables of version 2: statuses apart from entries, parts of pages, grants that are passed on; and the way from one
/// version to the other.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "grants/copy.hpp"
#include "unit/grants/world.hpp"

namespace {

using base::DomId;
using base::Error;
using base::Gfn;
using base::GrantRef;
using base::Mfn;
using grants::Fault;
using grants::GrantTable;
using grants_test::DomainState;
using grants_test::Environment;
using grants_test::kAlice;
using grants_test::kBob;
using grants_test::kCarol;
using grants_test::World;

constexpr auto kNotMapped = [](Mfn) { return false; };
constexpr std::uint64_t kAddress = 0xffff'8880'0000'1000;

/// Alice's table is of version 2, with a page at gfn 33; Bob has one at 60, and calls.
struct Second : World {
    Second() : frame{alice().populate(Gfn{33})}, bobs{bob().populate(Gfn{60})} {
        EXPECT_TRUE(become(alice(), 2).ok());
        std::memset(arch::direct_map(frame), 'a', base::kPageSize);
        std::memset(arch::direct_map(bobs), 'b', base::kPageSize);
    }

    static base::Status become(DomainState& state, std::uint32_t version) {
        return state.table([&](GrantTable& table) { return table.set_version(version, kNotMapped); });
    }
    static grant_entry_v2& entry(DomainState& state, std::uint32_t ref) {
        auto const page = state.table([&](GrantTable& table) { return table.shared_frame(ref / 256); });
        return arch::frame_as<grant_entry_v2>(page)[ref % 256];
    }
    static grant_status_t& status(DomainState& state, std::uint32_t ref) {
        auto const page = state.table([&](GrantTable& table) { return table.status_frame(ref / 2048); });
        return arch::frame_as<grant_status_t>(page)[ref % 2048];
    }
    static void grant(DomainState& state, std::uint32_t ref, DomId to, Gfn gfn, unsigned flags = 0) {
        auto& its = entry(state, ref);
        its.full_page.frame = gfn.raw();
        its.hdr.domid = to.raw();
        its.hdr.flags = static_cast<std::uint16_t>(GTF_permit_access | flags);
    }
    static void grant_part(DomainState& state, std::uint32_t ref, DomId to, Gfn gfn, grants::PageRange part) {
        auto& its = entry(state, ref);
        its.sub_page.page_off = static_cast<std::uint16_t>(part.offset);
        its.sub_page.length = static_cast<std::uint16_t>(part.length);
        grant(state, ref, to, gfn, GTF_sub_page);
    }
    static void pass_on(DomainState& state, std::uint32_t ref, DomId to, DomId from, std::uint32_t from_ref) {
        auto& its = entry(state, ref);
        its.transitive.trans_domid = from.raw();
        its.transitive.gref = from_ref;
        its.hdr.domid = to.raw();
        its.hdr.flags = GTF_transitive;
    }
    std::int16_t map(std::uint32_t ref, unsigned flags = GNTMAP_host_map) {
        auto op = grants_test::map_record(kAddress, flags, ref, kAlice.raw());
        grants::map(env, op);
        handle = op.handle;
        return op.status;
    }
    std::int16_t unmap() {
        auto op = grants_test::unmap_record(kAddress, 0, handle);
        grants::unmap(env, std::span{&op, 1});
        return op.status;
    }
    std::int16_t copy_from(std::uint32_t ref, unsigned offset = 0, unsigned length = 16) {
        gnttab_copy op{};
        op.source.u.ref = ref;
        op.source.domid = kAlice.raw();
        op.source.offset = static_cast<std::uint16_t>(offset);
        op.dest.u.gmfn = 60;
        op.dest.domid = DOMID_SELF;
        op.len = static_cast<std::uint16_t>(length);
        op.flags = GNTCOPY_source_gref;
        grants::copy(env, op);
        expect_idle();
        return op.status;
    }
    void expect_idle() {
        for (auto& [id, state] : domains)
            EXPECT_EQ(state->table([](GrantTable& table) { return table.in_use(); }), 0U) << id.raw();
        EXPECT_EQ(memory.table.info(frame).references, 1U);
        EXPECT_EQ(memory.table.info(bobs).references, 1U);
    }

    Mfn frame;
    Mfn bobs;
    Environment env{domains, kBob};
    std::uint32_t handle = 0;
};

// --- entries and statuses ------------------------------------------------------------------------------------------

TEST(GrantsOfVersionTwo, MarkTheStatusAndLeaveTheEntryAlone) {
    Second world;
    auto& alice = world.alice();
    Second::grant(alice, 9, kBob, Gfn{33});
    ASSERT_EQ(world.map(9), GNTST_okay);
    EXPECT_EQ(Second::status(alice, 9), GTF_reading | GTF_writing);
    EXPECT_EQ(Second::entry(alice, 9).hdr.flags, GTF_permit_access);
    EXPECT_EQ(world.env.entries.at(kAddress).frame, world.frame);
    EXPECT_EQ(world.unmap(), GNTST_okay);
    EXPECT_EQ(Second::status(alice, 9), 0);
    world.expect_idle();
}

TEST(GrantsOfVersionTwo, AreRefusedAsThoseOfVersionOneAndLeaveNoMarks) {
    Second world;
    auto& alice = world.alice();
    Second::grant(alice, 9, kBob, Gfn{33}, GTF_readonly);
    EXPECT_EQ(world.map(9), GNTST_general_error) << "for reading only";
    EXPECT_EQ(Second::status(alice, 9), 0);
    ASSERT_EQ(world.map(9, GNTMAP_host_map | GNTMAP_readonly), GNTST_okay);
    EXPECT_EQ(Second::status(alice, 9), GTF_reading);
    EXPECT_EQ(world.unmap(), GNTST_okay);
    Second::grant(alice, 9, kCarol, Gfn{33});
    EXPECT_EQ(world.map(9), GNTST_general_error) << "somebody else's";
    Second::grant(alice, 9, kBob, Gfn{std::uint64_t{1} << 40});
    EXPECT_EQ(world.map(9), GNTST_bad_page) << "frames have 64 bits";
    EXPECT_EQ(world.map(256), GNTST_bad_gntref) << "a frame has half as many entries";
    EXPECT_EQ(Second::status(alice, 9), 0);
    world.expect_idle();
}

TEST(GrantsOfVersionTwo, AWriterThatIsRefusedLeavesTheReadersMark) {
    Second world;
    auto& alice = world.alice();
    Second::grant(alice, 9, kBob, Gfn{33}, GTF_readonly);
    ASSERT_EQ(world.map(9, GNTMAP_host_map | GNTMAP_readonly), GNTST_okay);
    auto const reader = world.handle;
    EXPECT_EQ(world.map(9), GNTST_general_error);
    EXPECT_EQ(Second::status(alice, 9), GTF_reading);
    world.handle = reader;
    EXPECT_EQ(world.unmap(), GNTST_okay);
    world.expect_idle();
}

// --- parts and passing on ------------------------------------------------------------------------------------------

TEST(GrantsOfVersionTwo, APartOfAPageIsCopiedButNeverMapped) {
    Second world;
    Second::grant_part(world.alice(), 9, kBob, Gfn{33}, {.offset = 100, .length = 50});
    EXPECT_EQ(world.map(9), GNTST_general_error);
    EXPECT_EQ(world.copy_from(9, 100, 50), GNTST_okay);
    EXPECT_EQ(arch::direct_map(world.bobs)[0], std::byte{'a'});
    EXPECT_EQ(world.copy_from(9, 99, 10), GNTST_general_error) << "before it";
    EXPECT_EQ(world.copy_from(9, 145, 6), GNTST_general_error) << "past its end";
    EXPECT_EQ(Second::status(world.alice(), 9), 0);
}

TEST(GrantsOfVersionTwo, APartWhoseEndWouldBeBeyondThePageEndsWithThePage) {
    Second world;
    Second::grant_part(world.alice(), 9, kBob, Gfn{33}, {.offset = 4000, .length = 0xffff});
    EXPECT_EQ(world.copy_from(9, 4000, 96), GNTST_okay);
    EXPECT_EQ(world.copy_from(9, 4000, 97), GNTST_bad_copy_arg);
}

TEST(GrantsOfVersionTwo, ATransitiveGrantIsCopiedFromTheThirdDomainsPage) {
    Second world;
    auto const carols = world.carol().populate(Gfn{70});
    std::memset(arch::direct_map(carols), 'c', base::kPageSize);
    world.carol().grant(12, kAlice, Gfn{70}, GTF_readonly);
    Second::pass_on(world.alice(), 9, kBob, kCarol, 12);
    EXPECT_EQ(world.copy_from(9), GNTST_okay);
    EXPECT_EQ(arch::direct_map(world.bobs)[0], std::byte{'c'});
    EXPECT_EQ(world.carol().entry(12).flags, GTF_permit_access | GTF_readonly);
    EXPECT_EQ(Second::status(world.alice(), 9), 0);
    EXPECT_EQ(world.map(9), GNTST_general_error) << "it cannot be mapped";
    EXPECT_EQ(world.memory.table.info(carols).references, 1U);
}

TEST(GrantsOfVersionTwo, APassedOnGrantGivesNoMoreThanWasGranted) {
    Second world;
    auto& alice = world.alice();
    auto const carols = world.carol().populate(Gfn{70});
    world.carol().grant(12, kBob, Gfn{70});
    Second::pass_on(alice, 9, kBob, kCarol, 12);
    EXPECT_EQ(world.copy_from(9), GNTST_general_error) << "it was not granted to who passes it on";
    Second::pass_on(alice, 9, kBob, kCarol, 5000);
    EXPECT_EQ(world.copy_from(9), GNTST_bad_gntref);
    Second::pass_on(alice, 9, kBob, DomId{44}, 12);
    EXPECT_EQ(world.copy_from(9), GNTST_bad_domain);
    Second::pass_on(alice, 9, kBob, DomId{DOMID_SELF}, 12);
    EXPECT_EQ(world.copy_from(9), GNTST_bad_domain) << "who copies is not meant";
    Second::grant(alice, 10, kAlice, Gfn{33});
    Second::pass_on(alice, 9, kBob, kAlice, 10);
    EXPECT_EQ(world.copy_from(9), GNTST_general_error) << "a domain passes nothing on from itself";
    EXPECT_TRUE(Second::become(world.carol(), 2).ok());
    Second::pass_on(world.carol(), 12, kAlice, kBob, 9);
    Second::pass_on(alice, 9, kBob, kCarol, 12);
    EXPECT_EQ(world.copy_from(9), GNTST_general_error) << "not twice";
    EXPECT_EQ(world.memory.table.info(carols).references, 1U);
}

// --- from one version to the other ---------------------------------------------------------------------------------

TEST(GrantVersions, ThereAreOneAndTwoUnlessTheDomainMayNotHaveTwo) {
    World world{{.table = {.frames = 4, .version = 1}, .map_track_frames = 2}};
    EXPECT_TRUE(Second::become(world.alice(), 1).ok());
    EXPECT_EQ(Second::become(world.alice(), 2).error(), Error::not_implemented);
    EXPECT_EQ(Second::become(world.alice(), 0).error(), Error::invalid);
    EXPECT_EQ(Second::become(world.alice(), 3).error(), Error::invalid);
}

TEST(GrantVersions, TheReservedEntriesSurviveAndAllOthersAreCleared) {
    World world;
    auto& alice = world.alice();
    alice.grant(1, kBob, Gfn{33});
    alice.grant(9, kBob, Gfn{33});
    ASSERT_TRUE(Second::become(alice, 2).ok());
    EXPECT_EQ(Second::entry(alice, 1).hdr.flags, GTF_permit_access);
    EXPECT_EQ(Second::entry(alice, 1).hdr.domid, kBob.raw());
    EXPECT_EQ(Second::entry(alice, 1).full_page.frame, 33U);
    EXPECT_EQ(Second::entry(alice, 9).hdr.flags, 0);
    Second::grant_part(alice, 2, kBob, Gfn{33}, {.offset = 0, .length = 8});
    ASSERT_TRUE(Second::become(alice, 1).ok());
    EXPECT_EQ(alice.entry(1).flags, GTF_permit_access);
    EXPECT_EQ(alice.entry(1).frame, 33U);
    EXPECT_EQ(alice.entry(2).flags, 0) << "version 1 has no parts";
    EXPECT_EQ(alice.table([](GrantTable& table) { return table.status_frames(); }), 0U);
}

TEST(GrantVersions, AReservedEntryInUseKeepsItsMarksAndAnotherForbidsTheChange) {
    Second world;
    auto& alice = world.alice();
    Second::grant(alice, 1, kBob, Gfn{33});
    ASSERT_EQ(world.map(1), GNTST_okay);
    EXPECT_TRUE(Second::become(alice, 1).ok());
    EXPECT_EQ(alice.entry(1).flags, GTF_permit_access | GTF_reading | GTF_writing);
    EXPECT_TRUE(Second::become(alice, 2).ok());
    EXPECT_EQ(Second::status(alice, 1), GTF_reading | GTF_writing);
    EXPECT_EQ(world.unmap(), GNTST_okay);
    EXPECT_EQ(Second::status(alice, 1), 0);

    Second::grant(alice, 9, kBob, Gfn{33});
    ASSERT_EQ(world.map(9), GNTST_okay);
    EXPECT_EQ(Second::become(alice, 1).error(), Error::busy);
    EXPECT_EQ(Second::status(alice, 9), GTF_reading | GTF_writing);
    EXPECT_EQ(world.unmap(), GNTST_okay);
    world.expect_idle();
}

TEST(GrantVersions, StatusFramesThatSomebodyHasMappedForbidTheWayBack) {
    Second world;
    auto const back = world.alice().table([](GrantTable& table) {
        return table.set_version(1, [&](Mfn frame) { return frame == table.status_frame(0); });
    });
    EXPECT_EQ(back.error(), Error::busy);
    EXPECT_EQ(world.alice().table([](GrantTable& table) { return table.version(); }), 2U);
}

TEST(GrantVersions, ATableThatGrowsHasAStatusForEachEntry) {
    mm_test::Memory memory{512};
    GrantTable table{memory.allocator, kAlice, {.frames = 64}};
    ASSERT_TRUE(table.grow_to(1).ok());
    ASSERT_TRUE(table.set_version(2, kNotMapped).ok());
    EXPECT_EQ(table.entries(), 256U);
    EXPECT_EQ(table.status_frames(), 1U);
    ASSERT_TRUE(table.grow_to(8).ok());
    EXPECT_EQ(table.status_frames(), 1U);
    ASSERT_TRUE(table.grow_to(9).ok());
    EXPECT_EQ(table.status_frames(), 2U);
    ASSERT_TRUE(table.grow_to(64).ok());
    EXPECT_EQ(table.status_frames(), 8U);
    EXPECT_EQ(table.max_status_frames(), 8U);
}

// --- swap ----------------------------------------------------------------------------------------------------------

TEST(GrantSwap, TwoEntriesChangePlacesInEitherVersion) {
    World world;
    auto& alice = world.alice();
    auto const swap = [&](std::uint32_t one, std::uint32_t other) {
        return alice.table([&](GrantTable& table) { return table.swap(GrantRef{one}, GrantRef{other}); });
    };
    alice.grant(9, kBob, Gfn{33});
    alice.grant(10, kCarol, Gfn{34});
    ASSERT_TRUE(swap(9, 10).ok());
    EXPECT_EQ(alice.entry(9).frame, 34U);
    EXPECT_EQ(alice.entry(9).domid, kCarol.raw());
    EXPECT_EQ(alice.entry(10).frame, 33U);
    EXPECT_EQ(swap(9, 512).error(), Fault::bad_ref);

    ASSERT_TRUE(Second::become(alice, 2).ok());
    Second::grant(alice, 9, kBob, Gfn{33});
    Second::grant_part(alice, 10, kCarol, Gfn{34}, {.offset = 1, .length = 2});
    ASSERT_TRUE(swap(9, 10).ok());
    EXPECT_EQ(Second::entry(alice, 9).sub_page.length, 2);
    EXPECT_EQ(Second::entry(alice, 9).hdr.domid, kCarol.raw());
    EXPECT_EQ(Second::entry(alice, 10).full_page.frame, 33U);
}

TEST(GrantSwap, AnEntryInUseStaysWhereItIs) {
    Second world;
    auto& alice = world.alice();
    Second::grant(alice, 9, kBob, Gfn{33});
    ASSERT_EQ(world.map(9), GNTST_okay);
    EXPECT_EQ(alice.table([](GrantTable& table) { return table.swap(GrantRef{9}, GrantRef{10}); }).error(),
              Fault::again);
    EXPECT_EQ(world.unmap(), GNTST_okay);
}

// --- a granter at work ---------------------------------------------------------------------------------------------

/// The guest's side of the protocol: it clears the entry and then looks at the status.
TEST(GrantsOfVersionTwo, WhoWithdrawsSeesTheMarksOfWhoGotIn) {
    Second world;
    auto& alice = world.alice();
    auto& entry = Second::entry(alice, 9);
    auto& status = Second::status(alice, 9);
    for (int round = 0; round < 2000; ++round) {
        Second::grant(alice, 9, kBob, Gfn{33});
        std::atomic<int> ready{0};
        std::int16_t mapped = 77;
        std::thread mapper{[&] {
            ready.fetch_add(1);
            while (ready.load() != 2) {
            }
            mapped = world.map(9);
        }};
        ready.fetch_add(1);
        while (ready.load() != 2) {
        }
        std::atomic_ref{entry.hdr.flags}.store(0);
        bool const in_use = (std::atomic_ref{status}.load() & (GTF_reading | GTF_writing)) != 0;
        mapper.join();
        if (mapped == GNTST_okay) {
            ASSERT_TRUE(in_use) << "withdrawn while it was mapped";
            ASSERT_EQ(world.unmap(), GNTST_okay);
        }
    }
    world.expect_idle();
}

} // namespace
