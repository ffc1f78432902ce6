#include "grants/operations.hpp"

#include "grants/copy.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "unit/grants/world.hpp"

namespace {

using base::Error;
using base::Gfn;
using base::Mfn;
using grants_test::DomainState;
using grants_test::Environment;
using grants_test::kAlice;
using grants_test::kBob;
using grants_test::kCarol;
using grants_test::map_record;
using grants_test::unmap_record;
using grants_test::World;
using shadow_pt::Use;

constexpr std::uint64_t kAddress = 0xffff'8880'0000'1000;
constexpr std::uint64_t kOther = 0xffff'8880'0000'2000;

/// Alice grants her page at gfn 33 to Bob by reference 9; Bob calls.
struct Calls : World {
    explicit Calls(unsigned flags = 0) : frame{alice().populate(Gfn{33})} { alice().grant(9, kBob, Gfn{33}, flags); }

    gnttab_map_grant_ref map(std::uint32_t flags = GNTMAP_host_map, std::uint64_t address = kAddress,
                             std::uint32_t ref = 9, domid_t granter = kAlice.raw()) {
        auto op = map_record(address, flags, ref, granter);
        grants::map(env, op);
        return op;
    }
    std::int16_t unmap(std::uint32_t handle, std::uint64_t address = kAddress, std::uint64_t bus_address = 0) {
        auto op = unmap_record(address, bus_address, handle);
        grants::unmap(env, std::span{&op, 1});
        return op.status;
    }
    /// unmap_and_replace of what is at kAddress by what is at kOther.
    std::int16_t replace(std::uint32_t handle) {
        gnttab_unmap_and_replace op{};
        op.host_addr = kAddress;
        op.new_addr = kOther;
        op.handle = handle;
        grants::unmap_and_replace(env, std::span{&op, 1});
        return op.status;
    }
    std::uint32_t handles() {
        return bob().track([](grants::MapTrack& track) { return track.in_use(); });
    }
    mm::FrameInfo& info() { return memory.table.info(frame); }
    void expect_nothing_left() {
        EXPECT_EQ(handles(), 0u);
        EXPECT_EQ(alice().table([](grants::GrantTable& table) { return table.in_use(); }), 0u);
        EXPECT_EQ(info().references, 1u);
        EXPECT_EQ(info().state.use(), Use::none);
        EXPECT_FALSE(alice().marked_reading(9));
        EXPECT_FALSE(alice().marked_writing(9));
        EXPECT_TRUE(env.entries.empty());
    }

    Mfn frame;
    Environment env{domains, kBob};
};

// --- map -----------------------------------------------------------------------------------------------------------

TEST(GrantMap, MakesAnEntryAndTellsTheBusAddress) {
    Calls world;
    auto const op = world.map(GNTMAP_host_map | GNTMAP_device_map);
    EXPECT_EQ(op.status, GNTST_okay);
    EXPECT_EQ(op.dev_bus_addr, address_of(world.frame).raw());
    EXPECT_EQ(world.env.entries.at(kAddress).frame, world.frame);
    EXPECT_EQ(world.env.entries.at(kAddress).flags.access(), grants::Access::write);
    EXPECT_EQ(world.info().state.use(), Use::writable);
    EXPECT_EQ(world.unmap(op.handle, kAddress, op.dev_bus_addr), GNTST_okay);
    world.expect_nothing_left();
}

TEST(GrantMap, ForADeviceAloneMakesNoEntry) {
    Calls world;
    auto const op = world.map(GNTMAP_device_map | GNTMAP_readonly);
    EXPECT_EQ(op.status, GNTST_okay);
    EXPECT_TRUE(world.env.entries.empty());
    EXPECT_EQ(world.unmap(op.handle, 0, op.dev_bus_addr), GNTST_okay);
    world.expect_nothing_left();
}

TEST(GrantMap, TellsTheEnvironmentTheFlags) {
    Calls world;
    auto const op =
        world.map(GNTMAP_host_map | GNTMAP_application_map | GNTMAP_contains_pte | 1u << _GNTMAP_guest_avail0);
    auto const flags = world.env.entries.at(kAddress).flags;
    EXPECT_TRUE(flags.user());
    EXPECT_TRUE(flags.names_entry());
    EXPECT_EQ(flags.available_bits(), 1u);
    EXPECT_EQ(world.unmap(op.handle), GNTST_okay);
}

TEST(GrantMap, MapsOnePageManyTimes) {
    Calls world;
    auto const first = world.map();
    auto const second = world.map(GNTMAP_host_map, kOther);
    EXPECT_NE(first.handle, second.handle);
    EXPECT_EQ(world.unmap(first.handle), GNTST_okay);
    EXPECT_TRUE(world.alice().marked_writing(9));
    EXPECT_EQ(world.unmap(second.handle, kOther), GNTST_okay);
    world.expect_nothing_left();
}

TEST(GrantMap, MapsTheCallersOwnGrant) {
    Calls world;
    auto const own = world.bob().populate(Gfn{50});
    world.bob().grant(10, kBob, Gfn{50});
    auto const op = world.map(GNTMAP_host_map, kAddress, 10, DOMID_SELF);
    EXPECT_EQ(op.status, GNTST_okay);
    EXPECT_EQ(world.env.entries.at(kAddress).frame, own);
    EXPECT_EQ(world.unmap(op.handle), GNTST_okay);
}

TEST(GrantMap, RefusesFlagsThatMapNothing) {
    Calls world;
    EXPECT_EQ(world.map(0).status, GNTST_bad_gntref);
    EXPECT_EQ(world.map(GNTMAP_readonly | GNTMAP_contains_pte).status, GNTST_bad_gntref);
    world.expect_nothing_left();
}

TEST(GrantMap, RefusesAnUnknownDomain) {
    Calls world;
    for (domid_t const domain : {domid_t{44}, domid_t{DOMID_XEN}, domid_t{0xffff}})
        EXPECT_EQ(world.map(GNTMAP_host_map, kAddress, 9, domain).status, GNTST_bad_domain);
}

TEST(GrantMap, RefusesWhatTheTableRefuses) {
    Calls world{GTF_readonly};
    EXPECT_EQ(world.map(GNTMAP_host_map, kAddress, 512).status, GNTST_bad_gntref);
    EXPECT_EQ(world.map().status, GNTST_general_error); // read-only
    world.alice().entry(9).frame = 34;
    EXPECT_EQ(world.map(GNTMAP_host_map | GNTMAP_readonly).status, GNTST_bad_page);
    world.expect_nothing_left();
}

TEST(GrantMap, UndoesEverythingIfTheEntryCannotBeMade) {
    Calls world;
    world.env.refuse_install = grants::Fault::bad_virtual_address;
    EXPECT_EQ(world.map().status, GNTST_bad_virt_addr);
    world.expect_nothing_left();
}

TEST(GrantMap, RunsOutOfHandles) {
    Calls world;
    std::uint32_t const most = 2 * (4096 / 24);
    for (std::uint32_t i = 0; i < most; ++i)
        ASSERT_EQ(world.map(GNTMAP_device_map).status, GNTST_okay);
    EXPECT_EQ(world.map(GNTMAP_device_map).status, GNTST_no_device_space);
    for (std::uint32_t handle = 0; handle < most; ++handle)
        ASSERT_EQ(world.unmap(handle, 0, address_of(world.frame).raw()), GNTST_okay);
    world.expect_nothing_left();
}

// --- unmap ---------------------------------------------------------------------------------------------------------

TEST(GrantUnmap, FlushesBeforeTheGranterHasItsPageBack) {
    Calls world;
    auto const op = world.map();
    world.env.on_flush = [&] {
        EXPECT_TRUE(world.env.entries.empty());
        EXPECT_TRUE(world.alice().marked_writing(9));
        EXPECT_EQ(world.info().references, 2u);
    };
    EXPECT_EQ(world.unmap(op.handle), GNTST_okay);
    EXPECT_EQ(world.env.flushes, 1);
    world.expect_nothing_left();
}

TEST(GrantUnmap, FlushesOnceForABatch) {
    Calls world;
    std::vector<gnttab_unmap_grant_ref> ops;
    for (std::uint64_t i = 0; i < grants::kUnmapBatch + 5; ++i) {
        auto const address = kAddress + i * base::kPageSize;
        ops.push_back(unmap_record(address, 0, world.map(GNTMAP_host_map, address).handle));
    }
    ops[3].handle = 100'000; // one bad one among them
    grants::unmap(world.env, std::span{ops});
    EXPECT_EQ(world.env.flushes, 2);
    for (std::size_t i = 0; i < ops.size(); ++i)
        EXPECT_EQ(ops[i].status, i == 3 ? GNTST_bad_handle : GNTST_okay);
    EXPECT_EQ(world.handles(), 1u);
    EXPECT_EQ(world.unmap(3, kAddress + 3 * base::kPageSize), GNTST_okay);
    world.expect_nothing_left();
}

TEST(GrantUnmap, RefusesTheSameHandleTwiceInOneCall) {
    Calls world;
    auto const op = world.map();
    std::array ops{unmap_record(kAddress, 0, op.handle), unmap_record(kAddress, 0, op.handle)};
    grants::unmap(world.env, std::span{ops});
    EXPECT_EQ(ops[0].status, GNTST_okay);
    EXPECT_EQ(ops[1].status, GNTST_bad_handle);
    world.expect_nothing_left();
}

TEST(GrantUnmap, RefusesAnAddressThatDoesNotMapTheFrame) {
    Calls world;
    auto const op = world.map();
    EXPECT_EQ(world.unmap(op.handle, kOther), GNTST_general_error);
    EXPECT_TRUE(world.alice().marked_writing(9));
    EXPECT_EQ(world.unmap(op.handle), GNTST_okay); // the handle is still good
    world.expect_nothing_left();
}

TEST(GrantUnmap, RefusesAWrongBusAddress) {
    Calls world;
    auto const op = world.map(GNTMAP_host_map | GNTMAP_device_map);
    EXPECT_EQ(world.unmap(op.handle, kAddress, op.dev_bus_addr + 1), GNTST_general_error);
    EXPECT_EQ(world.env.entries.size(), 1u);
    EXPECT_EQ(world.unmap(op.handle, kAddress, op.dev_bus_addr), GNTST_okay);
    world.expect_nothing_left();
}

TEST(GrantUnmap, KeepsTheHandleForThePathThatIsLeft) {
    Calls world;
    auto const op = world.map(GNTMAP_host_map | GNTMAP_device_map);
    EXPECT_EQ(world.unmap(op.handle, kAddress, 0), GNTST_okay);
    EXPECT_EQ(world.handles(), 1u);
    EXPECT_TRUE(world.alice().marked_writing(9));
    EXPECT_EQ(world.unmap(op.handle, 0, op.dev_bus_addr), GNTST_okay);
    world.expect_nothing_left();
}

TEST(GrantUnmap, OfNothingIsFine) {
    Calls world;
    auto const op = world.map();
    EXPECT_EQ(world.unmap(op.handle, 0, 0), GNTST_okay);
    EXPECT_EQ(world.handles(), 1u);
    EXPECT_EQ(world.unmap(op.handle), GNTST_okay);
    grants::unmap(world.env, {});
    world.expect_nothing_left();
}

TEST(GrantUnmap, WorksWhenTheGranterIsDying) {
    Calls world;
    auto const op = world.map();
    world.alice().table([](grants::GrantTable& table) { table.begin_dying(); });
    world.alice().give_up_all();
    EXPECT_EQ(world.map().status, GNTST_bad_domain);
    EXPECT_EQ(world.memory.quotas[kAlice.raw()].total(), 1u); // a zombie's
    EXPECT_EQ(world.unmap(op.handle), GNTST_okay);
    EXPECT_EQ(world.memory.quotas[kAlice.raw()].total(), 0u);
}

// --- copy ----------------------------------------------------------------------------------------------------------

struct Copies : Calls {
    Copies() : bobs{bob().populate(Gfn{60})} {
        std::memset(arch::direct_map(frame), 'a', base::kPageSize);
        std::memset(arch::direct_map(bobs), 'b', base::kPageSize);
    }

    /// From Alice's grant into Bob's own page.
    static gnttab_copy in() {
        gnttab_copy op{};
        op.source.u.ref = 9;
        op.source.domid = kAlice.raw();
        op.dest.u.gmfn = 60;
        op.dest.domid = DOMID_SELF;
        op.len = 16;
        op.flags = GNTCOPY_source_gref;
        return op;
    }
    /// From Bob's own page into Alice's grant.
    static gnttab_copy out() {
        gnttab_copy op{};
        op.source.u.gmfn = 60;
        op.source.domid = DOMID_SELF;
        op.dest.u.ref = 9;
        op.dest.domid = kAlice.raw();
        op.len = 16;
        op.flags = GNTCOPY_dest_gref;
        return op;
    }
    std::int16_t copy(gnttab_copy op) {
        op.status = 77;
        grants::copy(env, op);
        EXPECT_EQ(memory.table.info(bobs).references, 1u);
        expect_nothing_left();
        return op.status;
    }
    static char at(Mfn mfn, std::size_t offset) { return static_cast<char>(arch::direct_map(mfn)[offset]); }

    Mfn bobs;
};

TEST(GrantCopy, CopiesOutOfAGrant) {
    Copies world;
    auto op = Copies::in();
    op.source.offset = 100;
    op.dest.offset = 200;
    EXPECT_EQ(world.copy(op), GNTST_okay);
    EXPECT_EQ(Copies::at(world.bobs, 199), 'b');
    EXPECT_EQ(Copies::at(world.bobs, 200), 'a');
    EXPECT_EQ(Copies::at(world.bobs, 215), 'a');
    EXPECT_EQ(Copies::at(world.bobs, 216), 'b');
}

TEST(GrantCopy, MarksTheDestinationDirtyInItsOwnersLog) { // SP-21
    Copies world;
    EXPECT_EQ(world.copy(Copies::in()), GNTST_okay);
    EXPECT_EQ(world.copy(Copies::out()), GNTST_okay);
    EXPECT_EQ(world.env.dirty, (std::vector{std::pair{kBob, world.bobs}, std::pair{kAlice, world.frame}}));
    EXPECT_EQ(Copies::at(world.frame, 0), 'a'); // what came in went out again
}

TEST(GrantCopy, CopiesBetweenTwoGrants) {
    Copies world;
    world.bob().grant(11, kBob, Gfn{60});
    auto op = Copies::in();
    op.dest.u.ref = 11;
    op.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
    EXPECT_EQ(world.copy(op), GNTST_okay);
    EXPECT_EQ(Copies::at(world.bobs, 0), 'a');
}

TEST(GrantCopy, MovesWithinOneFrame) {
    Copies world;
    for (std::size_t i = 0; i < 32; ++i)
        arch::direct_map(world.bobs)[i] = std::byte(i);
    gnttab_copy op{};
    op.source.u.gmfn = op.dest.u.gmfn = 60;
    op.source.domid = op.dest.domid = DOMID_SELF;
    op.dest.offset = 1;
    op.len = 31;
    EXPECT_EQ(world.copy(op), GNTST_okay);
    for (std::size_t i = 1; i < 32; ++i)
        EXPECT_EQ(Copies::at(world.bobs, i), static_cast<char>(i - 1));
}

TEST(GrantCopy, FillsAPageToItsLastByteAndNoFurther) {
    Copies world;
    auto op = Copies::in();
    op.len = base::kPageSize;
    EXPECT_EQ(world.copy(op), GNTST_okay);
    EXPECT_EQ(Copies::at(world.bobs, base::kPageSize - 1), 'a');
    op.len = base::kPageSize + 1;
    EXPECT_EQ(world.copy(op), GNTST_bad_copy_arg);
    op.len = 16;
    op.source.offset = base::kPageSize - 15;
    EXPECT_EQ(world.copy(op), GNTST_bad_copy_arg);
    op.source.offset = 0;
    op.dest.offset = 0xffff;
    EXPECT_EQ(world.copy(op), GNTST_bad_copy_arg);
    op.len = 0xffff;
    EXPECT_EQ(world.copy(op), GNTST_bad_copy_arg);
}

TEST(GrantCopy, CopiesNothingIfAskedTo) {
    Copies world;
    auto op = Copies::in();
    op.len = 0;
    op.source.offset = op.dest.offset = base::kPageSize;
    EXPECT_EQ(world.copy(op), GNTST_okay);
}

TEST(GrantCopy, RefusesAnothersFrameByNumber) {
    Copies world;
    auto op = Copies::in();
    op.flags = 0;
    op.source.u.gmfn = 33;
    EXPECT_EQ(world.copy(op), GNTST_permission_denied);
    op = Copies::out();
    op.flags = 0;
    op.dest.u.gmfn = 33;
    EXPECT_EQ(world.copy(op), GNTST_permission_denied);
    EXPECT_EQ(Copies::at(world.frame, 0), 'a');
}

TEST(GrantCopy, RefusesWhatTheTablesRefuse) {
    Copies world;
    auto op = Copies::in();
    op.source.domid = 44;
    EXPECT_EQ(world.copy(op), GNTST_bad_domain);
    op = Copies::in();
    op.source.u.ref = 512;
    EXPECT_EQ(world.copy(op), GNTST_bad_gntref);
    op = Copies::in();
    op.dest.u.gmfn = 61;
    EXPECT_EQ(world.copy(op), GNTST_bad_page);
    op.dest.u.gmfn = ~0ull;
    EXPECT_EQ(world.copy(op), GNTST_bad_page);
    op = Copies::out();
    world.alice().entry(9).flags |= GTF_readonly;
    EXPECT_EQ(world.copy(op), GNTST_general_error);
    EXPECT_TRUE(world.env.dirty.empty());
}

TEST(GrantCopy, RefusesToWriteADescriptorPage) { // SP-1
    Copies world;
    auto& state = world.memory.table.info(world.bobs).state;
    ASSERT_TRUE(state.get(Use::descriptor).ok());
    EXPECT_EQ(world.copy(Copies::in()), GNTST_general_error);
    EXPECT_EQ(Copies::at(world.bobs, 0), 'b');
    EXPECT_EQ(world.copy(Copies::out()), GNTST_okay); // but it may be read
    state.put(Use::descriptor);
}

// --- unmap_and_replace ---------------------------------------------------------------------------------------------

TEST(GrantReplace, TheOtherEntryComesInPlaceOfTheGrant) {
    Calls world;
    auto const op = world.map();
    world.env.entries[kOther] = {.frame = Mfn{7}, .flags = {}};
    EXPECT_EQ(world.replace(op.handle), GNTST_okay);
    EXPECT_EQ(world.env.entries.at(kAddress).frame, Mfn{7});
    EXPECT_FALSE(world.env.entries.contains(kOther));
    EXPECT_EQ(world.env.owed_flushes, 0) << "the granter has its frame back only after a flush";
    world.env.entries.clear();
    world.expect_nothing_left();
}

TEST(GrantReplace, WithNothingToComeInItsPlaceTheMappingStays) {
    Calls world;
    auto const op = world.map();
    EXPECT_EQ(world.replace(op.handle), GNTST_general_error);
    EXPECT_EQ(world.handles(), 1U);
    EXPECT_EQ(world.unmap(op.handle), GNTST_okay);
    world.expect_nothing_left();
}

// --- numbers -------------------------------------------------------------------------------------------------------

TEST(GrantMap, IsRefusedWhereTheCallerHasNoNumberForTheFrame) { // SP-14
    Calls world;
    world.env.unnumbered = kAlice;
    EXPECT_EQ(world.map().status, GNTST_general_error);
    EXPECT_EQ(world.map(GNTMAP_device_map).status, GNTST_general_error) << "and no device is told of it";
    world.expect_nothing_left();
}

// --- the rest ------------------------------------------------------------------------------------------------------

TEST(GrantQuerySize, TellsSizeAndLimit) {
    Calls world;
    gnttab_query_size op{};
    op.dom = DOMID_SELF;
    grants::query_size(world.env, op);
    EXPECT_EQ(op.status, GNTST_okay);
    EXPECT_EQ(op.nr_frames, 1u);
    EXPECT_EQ(op.max_nr_frames, 4u);
    op.dom = 44;
    grants::query_size(world.env, op);
    EXPECT_EQ(op.status, GNTST_bad_domain);
}

TEST(GrantRelease, EndsEveryMappingOfADyingDomainInSmallSteps) {
    Calls world;
    for (std::uint64_t i = 0; i < 10; ++i)
        ASSERT_EQ(world.map(GNTMAP_host_map | GNTMAP_device_map, kAddress + i * base::kPageSize).status, GNTST_okay);
    world.env.entries.clear(); // its page tables are gone
    base::GrantHandle cursor{0};
    for (int step = 0; step < 3; ++step)
        EXPECT_EQ(grants::release_mappings(world.env, cursor, 3).error(), Error::preempted);
    EXPECT_TRUE(grants::release_mappings(world.env, cursor, 3).ok());
    world.expect_nothing_left();
}

TEST(GrantLock, IsTakenForTwoDomainsInOneOrder) {
    World world;
    auto& alice = world.alice();
    auto& bob = world.bob();
    // Debug builds panic in the wrong order; and two CPUs that ask the other way round do not wait for each other.
    std::thread other{[&] {
        for (int i = 0; i < 1000; ++i)
            grants::with_both(kBob, bob.grants, kAlice, alice.grants,
                              [&](grants::Grants& one, grants::Grants& two) { EXPECT_NE(&one, &two); });
    }};
    for (int i = 0; i < 1000; ++i)
        grants::with_both(kAlice, alice.grants, kBob, bob.grants,
                          [&](grants::Grants& one, grants::Grants& two) { EXPECT_NE(&one, &two); });
    other.join();
    grants::with_both(kBob, bob.grants, kBob, bob.grants,
                      [&](grants::Grants& one, grants::Grants& two) { EXPECT_EQ(&one, &two); });
}

TEST(Grants, SurviveAGuestThatScribblesAndTwoMappers) { // SP-7
    Calls world;
    world.alice().populate(Gfn{34});
    std::atomic<bool> stop{false};
    std::atomic<int> scribbled{0};
    auto* const words = reinterpret_cast<std::atomic<std::uint32_t>*>(&world.alice().entry(8)); // entries 8 and 9
    std::thread scribbler{[&] {
        std::mt19937 random{1};
        while (!stop) {
            auto const word = random() % 4;
            auto const flags = random() % 4 == 0 ? random() & 0xffff : GTF_permit_access;
            words[word] = word % 2 == 0 ? static_cast<std::uint32_t>(flags | (1 + random() % 3) << 16)
                                        : static_cast<std::uint32_t>(32 + random() % 4);
            ++scribbled;
        }
    }};
    std::atomic<int> mapped{0};
    // On a busy machine the mappers may be done before the scribbler begins: they go on until all had their turns.
    auto const enough = [&] { return mapped > 0 && scribbled > 1000; };
    auto const mapper = [&](base::DomId id) {
        Environment env{world.domains, id};
        std::mt19937 random{id.raw()};
        for (int i = 0; i < 3000 || !enough(); ++i) {
            auto const writable = random() % 2 == 0;
            auto map = map_record(kAddress, writable ? GNTMAP_host_map : GNTMAP_host_map | GNTMAP_readonly,
                                  random() % 2 == 0 ? 8 : 9, kAlice.raw());
            grants::map(env, map);
            if (map.status != GNTST_okay)
                continue;
            ++mapped;
            auto unmap = unmap_record(kAddress, 0, map.handle);
            grants::unmap(env, std::span{&unmap, 1});
            EXPECT_EQ(unmap.status, GNTST_okay);
        }
    };
    std::thread carol{mapper, kCarol};
    mapper(kBob);
    carol.join();
    stop = true;
    scribbler.join();
    EXPECT_EQ(world.alice().table([](grants::GrantTable& table) { return table.in_use(); }), 0u);
    EXPECT_EQ(world.handles(), 0u);
    EXPECT_EQ(world.info().references, 1u);
    EXPECT_EQ(world.info().state.use(), Use::none);
}

} // namespace
