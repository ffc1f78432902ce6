/// The grant-table operations as guests call them, over an environment that knows domains and page tables.
///
/// Each takes a record of <xen/grant_table.h>, copied in from the guest, and fills in its results; the caller copies it
/// back, loops over arrays and stops between records when it has run long enough (SP-9). A wrong record never fails the
/// hypercall: its status says so. No lock is held while entries are made or cleared, while TLBs are flushed or bytes
/// are copied.
///
/// Here: map, unmap, unmap_and_replace, query_size; copy is in copy.hpp; the versions are the table's
/// (grant_table.hpp). Not there, and refused as a whole: transfer, cache_flush.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "base/fixed_vector.hpp"
#include "base/result.hpp"
#include "grants/grant_table.hpp"
#include "grants/lock.hpp"
#include "grants/map_track.hpp"
#include "grants/scoped_use.hpp"
#include "grants/status.hpp"

namespace grants {

/// One domain, as the operations see it. A value of this type keeps the domain's structures alive.
template <typename D>
concept GrantDomain = std::move_constructible<D> && requires(D& domain) {
    { domain.id() } -> std::same_as<base::DomId>;
    { domain.grants() } -> std::same_as<LockedGrants&>;
    domain.frames(); ///< the domain's own frames: a GranterFrames, or a reference to one
    requires GranterFrames<std::remove_reference_t<decltype(domain.frames())>>;
};

template <typename E>
concept GrantEnvironment = GrantDomain<typename E::Domain> &&
    requires(E& env, typename E::Domain& domain, base::DomId id, Mapping const& mapping, base::Mfn frame,
             base::Vaddr donor) {
    /// The caller.
    { env.self() } -> std::same_as<typename E::Domain&>;
    /// Any domain that the caller may deal with, DOMID_SELF too; also a dead one whose frames are still mapped.
    { env.find(id) } -> std::same_as<Result<typename E::Domain>>;
    /// By what number the caller knows mapping.pin.frame (SP-14), which is what its devices are told (`dev_bus_addr`).
    { env.number_of(mapping) } -> std::same_as<Result<base::Gfn>>;
    /// Makes the caller's entry at mapping.host_address for mapping.pin, as mapping.flags say.
    { env.install(mapping) } -> std::same_as<Status>;
    /// Clears the caller's entry at mapping.host_address, if it maps mapping.pin.frame. Owes a flush.
    { env.remove(mapping) } -> std::same_as<Status>;
    /// The same, and the caller's entry for the address @p donor moves there.
    { env.replace(mapping, donor) } -> std::same_as<Status>;
    /// Pays what remove() owes: no CPU can reach the frames through those entries any more.
    { env.flush() } -> std::same_as<void>;
    /// @p frame of @p domain was written by the hypervisor (SP-21). The caller holds a reference.
    { env.mark_dirty(domain, frame) } -> std::same_as<void>;
};

/// GNTTABOP_map_grant_ref
template <GrantEnvironment E> void map(E& env, gnttab_map_grant_ref& op);

/// GNTTABOP_unmap_grant_ref, with one flush for up to kUnmapBatch records.
template <GrantEnvironment E> void unmap(E& env, std::span<gnttab_unmap_grant_ref> ops);
/// GNTTABOP_unmap_and_replace: the entry for `new_addr` moves to where the grant was mapped. As unmap(), for the host's
/// path.
template <GrantEnvironment E> void unmap_and_replace(E& env, std::span<gnttab_unmap_and_replace> ops);
inline constexpr std::size_t kUnmapBatch = 32;

/// GNTTABOP_query_size
template <GrantEnvironment E> void query_size(E& env, gnttab_query_size& op);

/// The caller is dying and its page tables are gone: ends the uses it has of others' frames, from handle @p cursor on.
/// After @p budget of them, `preempted` with @p cursor saying where to go on.
template <GrantEnvironment E> base::Status release_mappings(E& env, base::GrantHandle& cursor, std::uint32_t budget);

// --- how -----------------------------------------------------------------------------------------------------------

namespace detail {

/// Fills in all but the status.
template <typename E> Status map_one(E& env, gnttab_map_grant_ref& op) {
    MapFlags const flags{op.flags};
    if (!flags.paths().any())
        return base::Err{Fault::bad_ref};
    auto granter = TRY(env.find(base::DomId{op.dom}));
    auto& self = env.self();

    auto const handle = TRY(self.grants().with([](Grants& grants) { return grants.track.reserve(); }));
    auto const abandon = [&] { self.grants().with([&](Grants& grants) { grants.track.abandon(handle); }); };

    auto const pin = begin_use(
        granter,
        {.ref = base::GrantRef{op.ref}, .mapper = self.id(), .access = flags.access(), .paths = flags.paths()});
    if (!pin.ok()) {
        abandon();
        return base::Err{pin.error()};
    }
    Mapping const mapping{.granter = granter.id(), .pin = pin.value(), .host_address = op.host_addr, .flags = flags};
    auto const number = env.number_of(mapping);
    auto const installed = !number.ok()         ? Status{base::Err{number.error()}}
                           : flags.paths().host ? env.install(mapping)
                                                : Status{};
    if (!installed.ok()) {
        end_use(granter, pin.value());
        abandon();
        return installed;
    }
    self.grants().with([&](Grants& grants) { grants.track.commit(handle, mapping); });
    op.handle = handle.raw();
    op.dev_bus_addr = address_of(number.value()).raw();
    return {};
}

/// What a record asks to be unmapped.
struct UnmapRequest {
    base::GrantHandle handle;
    std::uint64_t host_address; ///< 0: not that path
    std::uint64_t bus_address;  ///< 0: not that path
    base::Vaddr donor;          ///< 0: nothing comes in its place
};
constexpr UnmapRequest request_of(gnttab_unmap_grant_ref const& op) {
    return {base::GrantHandle{op.handle}, op.host_addr, op.dev_bus_addr, {}};
}
constexpr UnmapRequest request_of(gnttab_unmap_and_replace const& op) {
    return {base::GrantHandle{op.handle}, op.host_addr, 0, base::Vaddr{op.new_addr}};
}

/// Clears the entry; the flush and the end of the use are still to come.
template <typename E> Result<Unmapping> begin_unmap_one(E& env, UnmapRequest const& request) {
    auto& self = env.self();
    Paths const paths{.host = request.host_address != 0, .device = request.bus_address != 0};
    auto work =
        TRY(self.grants().with([&](Grants& grants) { return grants.track.begin_unmap(request.handle, paths); }));
    auto const fail = [&](Fault fault) {
        self.grants().with([&](Grants& grants) { grants.track.cancel_unmap(work); });
        return base::Err{fault};
    };

    Pin const& pin = work.mapping.pin;
    if (pin.paths.device) {
        auto const number = env.number_of(work.mapping);
        if (!number.ok() || request.bus_address != address_of(number.value()).raw())
            return fail(Fault::general_error);
    }
    if (pin.paths.host) {
        work.mapping.host_address = request.host_address; // an entry elsewhere will do, if it maps that frame
        bool const plain = request.donor.raw() == 0;
        auto const removed = plain ? env.remove(work.mapping) : env.replace(work.mapping, request.donor);
        if (!removed.ok())
            return fail(removed.error());
    }
    return work;
}

template <typename E> void finish_unmap_one(E& env, Unmapping const& work) {
    if (work.mapping.pin.paths.any()) {
        auto granter = env.find(work.mapping.granter);
        ASSERT(granter.ok()); // frames in use keep even a dead granter
        end_use(granter.value(), work.mapping.pin);
    }
    env.self().grants().with([&](Grants& grants) { grants.track.finish_unmap(work); });
}

template <typename E, typename Record> void unmap_all(E& env, std::span<Record> ops) {
    while (!ops.empty()) {
        auto const batch = ops.first(ops.size() < kUnmapBatch ? ops.size() : kUnmapBatch);
        ops = ops.subspan(batch.size());

        base::FixedVector<Unmapping, kUnmapBatch> cleared;
        for (auto& op : batch) {
            auto const work = begin_unmap_one(env, request_of(op));
            op.status = to_abi(work);
            if (work.ok())
                static_cast<void>(cleared.push_back(work.value())); // as long as the batch
        }
        // From here on no CPU reaches the frames through those entries: the granters may have them back.
        env.flush();
        for (auto const& work : cleared)
            finish_unmap_one(env, work);
    }
}

template <typename E> Status query_size_of(E& env, gnttab_query_size& op) {
    auto domain = TRY(env.find(base::DomId{op.dom}));
    domain.grants().with([&](Grants& grants) {
        op.nr_frames = grants.table.frames();
        op.max_nr_frames = grants.table.max_frames();
    });
    return {};
}

} // namespace detail

template <GrantEnvironment E> void map(E& env, gnttab_map_grant_ref& op) {
    op.status = to_abi(detail::map_one(env, op));
}

template <GrantEnvironment E> void unmap(E& env, std::span<gnttab_unmap_grant_ref> ops) { detail::unmap_all(env, ops); }

template <GrantEnvironment E> void unmap_and_replace(E& env, std::span<gnttab_unmap_and_replace> ops) {
    detail::unmap_all(env, ops);
}

template <GrantEnvironment E> void query_size(E& env, gnttab_query_size& op) {
    op.status = to_abi(detail::query_size_of(env, op));
}

template <GrantEnvironment E> base::Status release_mappings(E& env, base::GrantHandle& cursor, std::uint32_t budget) {
    env.flush();
    for (;;) {
        auto const next = env.self().grants().with([&](Grants& grants) { return grants.track.next(cursor); });
        if (!next.ok())
            return {};
        cursor = next.value();
        if (budget-- == 0)
            return base::Err{base::Error::preempted};
        auto const work = env.self().grants().with(
            [&](Grants& grants) { return grants.track.begin_unmap(cursor, {.host = true, .device = true}); });
        if (work.ok())
            detail::finish_unmap_one(env, work.value());
        cursor = base::GrantHandle{cursor.raw() + 1};
    }
}

} // namespace grants
