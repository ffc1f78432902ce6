/// The grant-table operations as guests call them, over an environment that knows domains and page tables.
///
/// Each takes a record of <xen/grant_table.h>, copied in from the guest, and fills in its results; the caller copies it
/// back, loops over arrays and stops between records when it has run long enough (SP-9). A wrong record never fails the
/// hypercall: its status says so. No lock is held while entries are made or cleared, while TLBs are flushed or bytes
/// are copied.
///
/// Not here, and refused as a whole: transfer, swap_grant_ref, unmap_and_replace, cache_flush, get_status_frames.
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
    requires(E& env, typename E::Domain& domain, base::DomId id, Mapping const& mapping, base::Mfn frame) {
    /// The caller.
    { env.self() } -> std::same_as<typename E::Domain&>;
    /// Any domain that the caller may deal with, DOMID_SELF too; also a dead one whose frames are still mapped.
    { env.find(id) } -> std::same_as<Result<typename E::Domain>>;
    /// Makes the caller's entry at mapping.host_address for mapping.pin, as mapping.flags say.
    { env.install(mapping) } -> std::same_as<Status>;
    /// Clears the caller's entry at mapping.host_address, if it maps mapping.pin.frame. Owes a flush.
    { env.remove(mapping) } -> std::same_as<Status>;
    /// Pays what remove() owes: no CPU can reach the frames through those entries any more.
    { env.flush() } -> std::same_as<void>;
    /// @p frame of @p domain was written by the hypervisor (SP-21). The caller holds a reference.
    { env.mark_dirty(domain, frame) } -> std::same_as<void>;
};

/// GNTTABOP_map_grant_ref
template <GrantEnvironment E> void map(E& env, gnttab_map_grant_ref& op);

/// GNTTABOP_unmap_grant_ref, with one flush for up to kUnmapBatch records.
template <GrantEnvironment E> void unmap(E& env, std::span<gnttab_unmap_grant_ref> ops);
inline constexpr std::size_t kUnmapBatch = 32;

/// GNTTABOP_copy
template <GrantEnvironment E> void copy(E& env, gnttab_copy& op);

/// GNTTABOP_query_size
template <GrantEnvironment E> void query_size(E& env, gnttab_query_size& op);

/// GNTTABOP_set_version: the version in force. There is one; asking for 2 is refused as by a Xen that knows only 1.
constexpr base::Result<std::uint32_t> set_version(std::uint32_t version) {
    if (version != 1 && version != 2)
        return base::Err{base::Error::invalid};
    if (version == 2)
        return base::Err{base::Error::not_implemented};
    return 1u;
}

/// The caller is dying and its page tables are gone: ends the uses it has of others' frames, from handle @p cursor on.
/// After @p budget of them, `preempted` with @p cursor saying where to go on.
template <GrantEnvironment E> base::Status release_mappings(E& env, base::GrantHandle& cursor, std::uint32_t budget);

// --- how -----------------------------------------------------------------------------------------------------------

namespace detail {

template <typename D> Result<Pin> begin_use(D& granter, PinRequest const& request) {
    auto&& frames = granter.frames();
    return granter.grants().with([&](Grants& grants) { return grants.table.begin(request, frames); });
}

template <typename D> void end_use(D& granter, Pin const& pin) {
    auto&& frames = granter.frames();
    granter.grants().with([&](Grants& grants) { grants.table.end(pin, frames); });
}

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
    if (flags.paths().host) {
        if (auto const installed = env.install(mapping); !installed.ok()) {
            end_use(granter, pin.value());
            abandon();
            return installed;
        }
    }
    self.grants().with([&](Grants& grants) { grants.track.commit(handle, mapping); });
    op.handle = handle.raw();
    op.dev_bus_addr = pin.value().bus_address().raw();
    return {};
}

/// Clears the entry; the flush and the end of the use are still to come.
template <typename E> Result<Unmapping> begin_unmap_one(E& env, gnttab_unmap_grant_ref const& op) {
    auto& self = env.self();
    Paths const paths{.host = op.host_addr != 0, .device = op.dev_bus_addr != 0};
    auto work = TRY(self.grants().with(
        [&](Grants& grants) { return grants.track.begin_unmap(base::GrantHandle{op.handle}, paths); }));
    auto const fail = [&](Fault fault) {
        self.grants().with([&](Grants& grants) { grants.track.cancel_unmap(work); });
        return base::Err{fault};
    };

    Pin const& pin = work.mapping.pin;
    if (pin.paths.device && op.dev_bus_addr != pin.bus_address().raw())
        return fail(Fault::general_error);
    if (pin.paths.host) {
        work.mapping.host_address = op.host_addr; // an entry elsewhere will do, if it maps that frame
        if (auto const removed = env.remove(work.mapping); !removed.ok())
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

/// One side of a copy: a frame held for as long as this lives, by a grant or by the caller's own right.
template <typename E> class CopySide {
  public:
    static Result<CopySide> open(E& env, decltype(gnttab_copy::source) const& side, bool by_ref, Access access) {
        auto domain = TRY(env.find(base::DomId{side.domid}));
        if (!by_ref && side.domid != DOMID_SELF)
            return base::Err{Fault::permission_denied};
        if (by_ref) {
            auto const pin = TRY(
                begin_use(domain, {.ref = base::GrantRef{side.u.ref}, .mapper = env.self().id(), .access = access}));
            return CopySide{std::move(domain), pin, true};
        }
        auto&& frames = domain.frames();
        auto const frame = frames.take(base::Gfn{side.u.gmfn});
        if (!frame.ok())
            return base::Err{Fault::bad_page};
        if (access == Access::write && !frames.make_writable(frame.value()).ok()) {
            frames.drop(frame.value());
            return base::Err{Fault::general_error};
        }
        return CopySide{std::move(domain), Pin{.ref = {}, .access = access, .paths = {}, .frame = frame.value()},
                        false};
    }

    CopySide(CopySide&& other) noexcept
        : domain_{std::move(other.domain_)},
          pin_{other.pin_},
          by_ref_{other.by_ref_},
          open_{std::exchange(other.open_, false)} {}
    CopySide& operator=(CopySide&&) = delete;
    ~CopySide() {
        if (open_)
            close();
    }

    [[nodiscard]] typename E::Domain& domain() { return domain_; }
    [[nodiscard]] base::Mfn frame() const { return pin_.frame; }

  private:
    CopySide(typename E::Domain domain, Pin const& pin, bool by_ref)
        : domain_{std::move(domain)}, pin_{pin}, by_ref_{by_ref} {}

    void close() {
        if (by_ref_)
            return end_use(domain_, pin_);
        auto&& frames = domain_.frames();
        if (pin_.access == Access::write)
            frames.drop_writable(pin_.frame);
        frames.drop(pin_.frame);
    }

    typename E::Domain domain_;
    Pin pin_;
    bool by_ref_;
    bool open_ = true;
};

template <typename E> Status copy_one(E& env, gnttab_copy const& op) {
    if (std::uint32_t{op.source.offset} + op.len > base::kPageSize ||
        std::uint32_t{op.dest.offset} + op.len > base::kPageSize)
        return base::Err{Fault::bad_copy_argument};
    auto source = TRY(CopySide<E>::open(env, op.source, (op.flags & GNTCOPY_source_gref) != 0, Access::read));
    auto dest = TRY(CopySide<E>::open(env, op.dest, (op.flags & GNTCOPY_dest_gref) != 0, Access::write));

    // Both may be the same frame.
    std::memmove(arch::direct_map(dest.frame()) + op.dest.offset, arch::direct_map(source.frame()) + op.source.offset,
                 op.len);
    env.mark_dirty(dest.domain(), dest.frame()); // after the write: SP-21
    return {};
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

template <GrantEnvironment E> void unmap(E& env, std::span<gnttab_unmap_grant_ref> ops) {
    while (!ops.empty()) {
        auto const batch = ops.first(ops.size() < kUnmapBatch ? ops.size() : kUnmapBatch);
        ops = ops.subspan(batch.size());

        base::FixedVector<Unmapping, kUnmapBatch> cleared;
        for (auto& op : batch) {
            auto const work = detail::begin_unmap_one(env, op);
            op.status = to_abi(work);
            if (work.ok())
                static_cast<void>(cleared.push_back(work.value())); // as long as the batch
        }
        // From here on no CPU reaches the frames through those entries: the granters may have them back.
        env.flush();
        for (auto const& work : cleared)
            detail::finish_unmap_one(env, work);
    }
}

template <GrantEnvironment E> void copy(E& env, gnttab_copy& op) { op.status = to_abi(detail::copy_one(env, op)); }

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
