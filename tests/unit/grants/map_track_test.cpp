#include "grants/map_track.hpp"

#include <gtest/gtest.h>

#include <set>

#include "unit/mm/memory.hpp"

namespace {

using base::DomId;
using base::GrantHandle;
using base::GrantRef;
using base::Mfn;
using grants::Fault;
using grants::Mapping;
using grants::MapTrack;
using grants::Paths;

constexpr Paths kHost{.host = true};
constexpr Paths kDevice{.device = true};
constexpr Paths kBoth{.host = true, .device = true};

Mapping mapping_through(Paths paths) {
    return {.granter = DomId{5},
            .pin = {.ref = GrantRef{9}, .access = grants::Access::write, .paths = paths, .frame = Mfn{77}},
            .host_address = 0xffff'8880'0000'1000,
            .flags = {(paths.host ? GNTMAP_host_map : 0u) | (paths.device ? GNTMAP_device_map : 0u) | 3u << 16}};
}

struct Track {
    GrantHandle map(Paths paths = kHost) {
        auto const handle = track.reserve().value();
        track.commit(handle, mapping_through(paths));
        return handle;
    }

    mm_test::Memory memory{256};
    MapTrack track{memory.allocator, 2};
};

TEST(MapTrack, RemembersAMapping) {
    Track world;
    auto const handle = world.map(kBoth);
    auto const work = world.track.begin_unmap(handle, kBoth).value();
    auto const& mapping = work.mapping;
    EXPECT_EQ(mapping.granter, DomId{5});
    EXPECT_EQ(mapping.pin.ref, GrantRef{9});
    EXPECT_EQ(mapping.pin.frame, Mfn{77});
    EXPECT_EQ(mapping.pin.paths, kBoth);
    EXPECT_EQ(mapping.pin.access, grants::Access::write);
    EXPECT_EQ(mapping.host_address, 0xffff'8880'0000'1000u);
    EXPECT_EQ(mapping.flags.available_bits(), 3u);
    world.track.finish_unmap(work);
    EXPECT_EQ(world.track.in_use(), 0u);
}

TEST(MapTrack, HandsOutEachHandleOnce) {
    Track world;
    std::set<std::uint32_t> handles;
    for (;;) {
        auto const handle = world.track.reserve();
        if (!handle.ok()) {
            EXPECT_EQ(handle.error(), Fault::no_space);
            break;
        }
        EXPECT_TRUE(handles.insert(handle.value().raw()).second);
    }
    EXPECT_EQ(handles.size(), 2 * (4096 / 24));
    EXPECT_EQ(world.track.in_use(), handles.size());
    world.track.abandon(GrantHandle{5});
    EXPECT_EQ(world.track.reserve().value(), GrantHandle{5});
}

TEST(MapTrack, StartsWithTheLowHandles) {
    Track world;
    EXPECT_EQ(world.track.reserve().value(), GrantHandle{0});
    EXPECT_EQ(world.track.reserve().value(), GrantHandle{1});
}

TEST(MapTrack, HasNoSpaceWithoutMemory) {
    mm_test::Memory memory{8, 8};
    MapTrack track{memory.allocator, 2};
    EXPECT_EQ(track.reserve().error(), Fault::no_space);
}

TEST(MapTrack, RefusesHandlesThatAreNotMappings) {
    Track world;
    EXPECT_EQ(world.track.begin_unmap(GrantHandle{0}, kHost).error(), Fault::bad_handle); // nothing yet
    auto const reserved = world.track.reserve().value();
    EXPECT_EQ(world.track.begin_unmap(reserved, kHost).error(), Fault::bad_handle);
    EXPECT_EQ(world.track.begin_unmap(GrantHandle{1}, kHost).error(), Fault::bad_handle); // free
    EXPECT_EQ(world.track.begin_unmap(GrantHandle{100'000}, kHost).error(), Fault::bad_handle);
    EXPECT_EQ(world.track.begin_unmap(GrantHandle{~0u}, kHost).error(), Fault::bad_handle);
}

TEST(MapTrack, RefusesAHandleTwice) {
    Track world;
    auto const handle = world.map();
    auto const work = world.track.begin_unmap(handle, kHost).value();
    EXPECT_EQ(world.track.begin_unmap(handle, kHost).error(), Fault::bad_handle); // while it goes
    world.track.finish_unmap(work);
    EXPECT_EQ(world.track.begin_unmap(handle, kHost).error(), Fault::bad_handle); // and when it is gone
}

TEST(MapTrack, TakesPathsApartOneByOne) {
    Track world;
    auto const handle = world.map(kBoth);
    auto const host = world.track.begin_unmap(handle, kHost).value();
    auto const device = world.track.begin_unmap(handle, kBoth).value(); // what is left of both
    EXPECT_EQ(host.mapping.pin.paths, kHost);
    EXPECT_EQ(device.mapping.pin.paths, kDevice);
    world.track.finish_unmap(device);
    EXPECT_EQ(world.track.in_use(), 1u);
    world.track.finish_unmap(host);
    EXPECT_EQ(world.track.in_use(), 0u);
}

TEST(MapTrack, ClaimsNothingOfAPathThatIsNotThere) {
    Track world;
    auto const handle = world.map(kHost);
    auto const nothing = world.track.begin_unmap(handle, kDevice).value();
    EXPECT_FALSE(nothing.mapping.pin.paths.any());
    // Somebody else ends the mapping, and the handle means another one, before that is finished.
    world.track.finish_unmap(world.track.begin_unmap(handle, kHost).value());
    world.track.finish_unmap(nothing);
    world.track.cancel_unmap(nothing);
    EXPECT_EQ(world.track.in_use(), 0u);
}

TEST(MapTrack, CanChangeItsMind) {
    Track world;
    auto const handle = world.map(kBoth);
    auto const work = world.track.begin_unmap(handle, kHost).value();
    world.track.cancel_unmap(work);
    EXPECT_EQ(world.track.begin_unmap(handle, kBoth).value().mapping.pin.paths, kBoth);
}

TEST(MapTrack, ListsItsMappings) {
    Track world;
    EXPECT_FALSE(world.track.next(GrantHandle{0}).ok());
    auto const first = world.map();
    static_cast<void>(world.track.reserve());
    auto const third = world.map();
    EXPECT_EQ(world.track.next(GrantHandle{0}).value(), first);
    EXPECT_EQ(world.track.next(GrantHandle{first.raw() + 1}).value(), third);
    EXPECT_EQ(world.track.next(GrantHandle{third.raw() + 1}).error(), Fault::bad_handle);
    EXPECT_FALSE(world.track.next(GrantHandle{~0u}).ok());
}

} // namespace
