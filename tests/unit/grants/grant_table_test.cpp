#include "grants/grant_table.hpp"

#include <gtest/gtest.h>

#include "unit/grants/world.hpp"

namespace {

using base::Gfn;
using base::GrantRef;
using base::Mfn;
using grants::Access;
using grants::Fault;
using grants::GrantTable;
using grants::Paths;
using grants::Pin;
using grants::PinRequest;
using grants_test::DomainState;
using grants_test::kAlice;
using grants_test::kBob;
using grants_test::kCarol;
using grants_test::World;
using shadow_pt::Use;

constexpr GrantRef kRef{9};
constexpr Gfn kGfn{33};

/// Alice has a page at kGfn and grants it by kRef to Bob.
struct Granted : World {
    explicit Granted(unsigned flags = 0) : frame{alice().populate(kGfn)} { alice().grant(9, kBob, kGfn, flags); }

    grants::Result<Pin> begin(Access access, Paths paths = {.host = true}, base::DomId mapper = kBob,
                              GrantRef ref = kRef) {
        return alice().table([&](GrantTable& table) {
            return table.begin({.ref = ref, .mapper = mapper, .access = access, .paths = paths}, alice().frames);
        });
    }
    void end(Pin const& pin) {
        alice().table([&](GrantTable& table) { table.end(pin, alice().frames); });
    }
    std::uint32_t in_use() {
        return alice().table([](GrantTable& table) { return table.in_use(); });
    }
    mm::FrameInfo& info() { return memory.table.info(frame); }

    Mfn frame;
};

// --- size ----------------------------------------------------------------------------------------------------------

TEST(GrantTable, GrowsToItsLimitAndNoFurther) {
    World world;
    world.alice().table([](GrantTable& table) {
        EXPECT_EQ(table.frames(), 1u);
        EXPECT_TRUE(table.grow_to(4).ok());
        EXPECT_TRUE(table.grow_to(2).ok()); // never shrinks
        EXPECT_EQ(table.frames(), 4u);
        EXPECT_EQ(table.entries(), 2048u);
        EXPECT_EQ(table.grow_to(5).error(), Fault::general_error);
        EXPECT_EQ(table.frames(), 4u);
    });
}

TEST(GrantTable, HasAtMostSixtyFourFrames) {
    mm_test::Memory memory{512};
    GrantTable table{memory.allocator, kAlice, {.frames = 1000}};
    EXPECT_EQ(table.max_frames(), 64u);
    EXPECT_TRUE(table.grow_to(64).ok());
    EXPECT_EQ(table.grow_to(65).error(), Fault::general_error);
}

TEST(GrantTable, FailsToGrowWithoutMemory) {
    mm_test::Memory memory{64, 64};
    memory.allocator.add_memory(Mfn{40}, 5); // a shared frame takes two for what is active
    {
        GrantTable table{memory.allocator, kAlice, {.frames = 4}};
        EXPECT_EQ(table.grow_to(2).error(), Fault::general_error);
        EXPECT_EQ(table.frames(), 1u);
        memory.allocator.add_memory(Mfn{50}, 1);
        EXPECT_TRUE(table.grow_to(2).ok());
    }
    EXPECT_EQ(memory.free_frames(), 6u);
}

TEST(GrantTable, ShowsFramesThatItsOwnerMayMap) {
    World world;
    auto const frame = world.alice().table([](GrantTable& table) { return table.shared_frame(0); });
    auto const taken = world.memory.table.take(frame, kAlice);
    ASSERT_TRUE(taken.ok());
    EXPECT_TRUE(taken.value().info().special());
    EXPECT_TRUE(mm_test::is_filled_with(frame, 0));
}

TEST(GrantTable, IsSeededByTheBuilder) {
    World world;
    auto const seed = [&](GrantRef ref, Gfn gfn) {
        return world.alice().table([&](GrantTable& table) { return table.seed(ref, base::DomId{0}, gfn); });
    };
    ASSERT_TRUE(seed(GrantRef{GNTTAB_RESERVED_XENSTORE}, Gfn{77}).ok());
    auto const& entry = world.alice().entry(GNTTAB_RESERVED_XENSTORE);
    EXPECT_EQ(entry.flags, GTF_permit_access);
    EXPECT_EQ(entry.domid, 0);
    EXPECT_EQ(entry.frame, 77u);
    EXPECT_EQ(seed(GrantRef{512}, Gfn{1}).error(), Fault::bad_ref);
    EXPECT_EQ(seed(GrantRef{1}, Gfn{std::uint64_t{1} << 32}).error(), Fault::bad_ref);
}

// --- uses ----------------------------------------------------------------------------------------------------------

TEST(GrantTable, PinsAFrameForReading) {
    Granted world;
    auto const pin = world.begin(Access::read);
    ASSERT_TRUE(pin.ok());
    EXPECT_EQ(pin.value().frame, world.frame);
    EXPECT_EQ(world.info().references, 2u);
    EXPECT_EQ(world.info().state.use(), Use::none);
    EXPECT_TRUE(world.alice().marked_reading(9));
    EXPECT_FALSE(world.alice().marked_writing(9));
    world.end(pin.value());
    EXPECT_EQ(world.info().references, 1u);
    EXPECT_FALSE(world.alice().marked_reading(9));
    EXPECT_EQ(world.in_use(), 0u);
}

TEST(GrantTable, CountsAWritablePinAsAWritableUse) { // SP-1
    Granted world;
    auto const pin = world.begin(Access::write);
    ASSERT_TRUE(pin.ok());
    EXPECT_EQ(world.info().state.use(), Use::writable);
    EXPECT_TRUE(world.alice().marked_writing(9));
    world.end(pin.value());
    EXPECT_EQ(world.info().state.use(), Use::none);
    EXPECT_EQ(world.alice().entry(9).flags, GTF_permit_access);
}

TEST(GrantTable, KeepsEachMarkToTheLastPinOfItsKind) {
    Granted world;
    auto const reader = world.begin(Access::read).value();
    auto const writer = world.begin(Access::write).value(); // joins the reader: claims for writing now
    auto const device = world.begin(Access::write, {.device = true}).value();
    EXPECT_EQ(world.info().references, 2u); // one for all
    world.end(writer);
    EXPECT_TRUE(world.alice().marked_writing(9));
    EXPECT_EQ(world.info().state.use(), Use::writable);
    world.end(device);
    EXPECT_FALSE(world.alice().marked_writing(9));
    EXPECT_TRUE(world.alice().marked_reading(9));
    EXPECT_EQ(world.info().state.use(), Use::none);
    EXPECT_EQ(world.in_use(), 1u);
    world.end(reader);
    EXPECT_FALSE(world.alice().marked_reading(9));
    EXPECT_EQ(world.in_use(), 0u);
}

TEST(GrantTable, EndsThePathsOfAPinOneByOne) {
    Granted world;
    auto pin = world.begin(Access::write, {.host = true, .device = true}).value();
    pin.paths = {.host = true};
    world.end(pin);
    EXPECT_TRUE(world.alice().marked_writing(9));
    pin.paths = {.device = true};
    world.end(pin);
    EXPECT_FALSE(world.alice().marked_reading(9));
    EXPECT_EQ(world.info().references, 1u);
}

TEST(GrantTable, KnowsTheFrameOfAReferenceInUse) {
    Granted world;
    auto const pinned = [&](GrantRef ref) {
        return world.alice().table([&](GrantTable& table) { return table.pinned_frame(ref); });
    };
    EXPECT_FALSE(pinned(kRef).valid());
    EXPECT_FALSE(pinned(GrantRef{4096}).valid());
    auto const pin = world.begin(Access::read).value();
    EXPECT_EQ(pinned(kRef), world.frame);
    world.end(pin);
    EXPECT_FALSE(pinned(kRef).valid());
}

TEST(GrantTable, StaysWithTheFrameOfTheFirstPin) {
    // The guest points the entry elsewhere while it is in use: nobody looks any more.
    Granted world;
    auto const other = world.alice().populate(Gfn{34});
    auto const first = world.begin(Access::read).value();
    world.alice().entry(9).frame = 34;
    auto const second = world.begin(Access::write).value();
    EXPECT_EQ(second.frame, world.frame);
    EXPECT_EQ(world.memory.table.info(other).references, 1u);
    world.end(first);
    world.end(second);
    auto const third = world.begin(Access::read).value();
    EXPECT_EQ(third.frame, other);
    world.end(third);
}

TEST(GrantTable, KeepsAFrameThatItsOwnerGivesUp) { // SP-2
    Granted world;
    auto const pin = world.begin(Access::write).value();
    world.alice().give_up_all();
    EXPECT_EQ(world.info().owner_id(), kAlice);
    EXPECT_EQ(world.info().references, 1u);
    world.end(pin);
    EXPECT_EQ(world.info().owner_id(), mm::kNobody);
}

TEST(GrantTable, EndsAUseEvenIfTheGuestWipedTheEntry) {
    Granted world;
    auto const pin = world.begin(Access::write).value();
    world.alice().entry(9) = {};
    world.end(pin);
    EXPECT_EQ(world.alice().entry(9).flags, 0);
    EXPECT_EQ(world.info().references, 1u);
}

// --- all the refusals ----------------------------------------------------------------------------------------------

/// Nothing is left of a refused pin.
void expect_untouched(Granted& world) {
    EXPECT_EQ(world.in_use(), 0u);
    EXPECT_EQ(world.info().references, 1u);
    EXPECT_EQ(world.alice().entry(9).flags & (GTF_reading | GTF_writing), 0u);
}

TEST(GrantTable, RefusesAReferenceBeyondTheTable) {
    Granted world;
    for (std::uint32_t ref : {512u, 4096u, ~0u})
        EXPECT_EQ(world.begin(Access::read, {.host = true}, kBob, GrantRef{ref}).error(), Fault::bad_ref) << ref;
}

TEST(GrantTable, RefusesAStranger) {
    Granted world;
    EXPECT_EQ(world.begin(Access::read, {.host = true}, kCarol).error(), Fault::general_error);
    expect_untouched(world);
}

TEST(GrantTable, RefusesASecondMapperOfAReferenceInUse) {
    Granted world;
    auto const pin = world.begin(Access::read).value();
    world.alice().entry(9).domid = kCarol.raw();
    EXPECT_EQ(world.begin(Access::read, {.host = true}, kCarol).error(), Fault::general_error);
    world.end(pin);
}

TEST(GrantTable, RefusesToWriteAReadOnlyGrant) {
    Granted world{GTF_readonly};
    EXPECT_EQ(world.begin(Access::write).error(), Fault::general_error);
    expect_untouched(world);
    auto const reader = world.begin(Access::read).value();
    EXPECT_EQ(world.begin(Access::write).error(), Fault::general_error); // nor beside a reader
    EXPECT_TRUE(world.alice().marked_reading(9));
    EXPECT_FALSE(world.alice().marked_writing(9));
    world.end(reader);
    expect_untouched(world);
}

TEST(GrantTable, RefusesAFrameThatTheGranterDoesNotHave) {
    Granted world;
    for (std::uint32_t frame : {34u, 0u, ~0u}) {
        world.alice().entry(9).frame = frame;
        EXPECT_EQ(world.begin(Access::write).error(), Fault::bad_page) << frame;
        expect_untouched(world);
    }
}

TEST(GrantTable, RefusesASpecialFrame) { // SP-25
    Granted world;
    auto special = world.memory.allocator.allocate_frame(mm::Request::special(kAlice)).value();
    ASSERT_TRUE(world.alice().map.set(mm::kFirstSpecialGfn, std::move(special)).ok());
    world.alice().entry(9).frame = static_cast<std::uint32_t>(mm::kFirstSpecialGfn.raw());
    EXPECT_EQ(world.begin(Access::read).error(), Fault::bad_page);
    expect_untouched(world);
}

TEST(GrantTable, RefusesToWriteADescriptorPage) { // SP-1
    Granted world;
    ASSERT_TRUE(world.info().state.get(Use::descriptor).ok());
    EXPECT_EQ(world.begin(Access::write).error(), Fault::general_error);
    expect_untouched(world);
    auto const reader = world.begin(Access::read).value();
    EXPECT_EQ(world.begin(Access::write).error(), Fault::general_error);
    EXPECT_TRUE(world.alice().marked_reading(9));
    EXPECT_FALSE(world.alice().marked_writing(9));
    world.end(reader);
    expect_untouched(world);
    world.info().state.put(Use::descriptor);
}

TEST(GrantTable, RefusesOneUseTooMany) {
    Granted world;
    std::vector<Pin> pins;
    for (int i = 0; i < 0xffff; ++i)
        pins.push_back(world.begin(Access::read).value());
    EXPECT_EQ(world.begin(Access::read).error(), Fault::general_error);
    auto const device = world.begin(Access::read, {.device = true}); // another count
    ASSERT_TRUE(device.ok());
    EXPECT_EQ(world.begin(Access::read, {.host = true, .device = true}).error(), Fault::general_error);
    world.end(device.value());
    for (auto const& pin : pins)
        world.end(pin);
    expect_untouched(world);
}

TEST(GrantTable, OfADyingDomainLetsUsesEndButNotBegin) {
    Granted world;
    auto const pin = world.begin(Access::write).value();
    world.alice().table([](GrantTable& table) { table.begin_dying(); });
    EXPECT_EQ(world.begin(Access::read).error(), Fault::bad_domain);
    EXPECT_EQ(world.in_use(), 1u);
    world.end(pin);
    EXPECT_EQ(world.in_use(), 0u);
}

TEST(GrantStatus, HasOneNumberForEachFault) {
    using grants::to_abi;
    EXPECT_EQ(to_abi(grants::Status{}), 0);
    EXPECT_EQ(to_abi(Fault::general_error), -1);
    EXPECT_EQ(to_abi(Fault::bad_domain), -2);
    EXPECT_EQ(to_abi(Fault::bad_ref), -3);
    EXPECT_EQ(to_abi(Fault::bad_handle), -4);
    EXPECT_EQ(to_abi(Fault::bad_virtual_address), -5);
    EXPECT_EQ(to_abi(Fault::bad_device_address), -6);
    EXPECT_EQ(to_abi(Fault::no_space), -7);
    EXPECT_EQ(to_abi(Fault::permission_denied), -8);
    EXPECT_EQ(to_abi(Fault::bad_page), -9);
    EXPECT_EQ(to_abi(Fault::bad_copy_argument), -10);
    EXPECT_EQ(to_abi(Fault::address_too_big), -11);
}

} // namespace
