/// GNTTABOP_copy: bytes from page to page, each side named by a grant or, if it is the caller's own, by its number.
///
/// A grant of version 2 may allow a part of a page only, or be transitive: then the granter passes on what a third domain
/// has granted it, and the copy holds both grants meanwhile. There is one such step and no more.
#pragma once

#include <cstring>
#include <optional>
#include <utility>

#include "grants/operations.hpp"
#include "grants/scoped_use.hpp"

namespace grants {

/// GNTTABOP_copy
template <GrantEnvironment E> void copy(E& env, gnttab_copy& op);

// --- how -----------------------------------------------------------------------------------------------------------

namespace detail {

/// A frame of the caller's own, held for as long as this lives.
template <typename D> class OwnFrame {
  public:
    [[nodiscard]] static Result<OwnFrame> hold(D owner, base::Gfn gfn, Access access) {
        auto&& frames = owner.frames();
        auto const frame = frames.take(gfn);
        if (!frame.ok())
            return base::Err{Fault::bad_page};
        if (access == Access::write && !frames.make_writable(frame.value()).ok()) {
            frames.drop(frame.value());
            return base::Err{Fault::general_error};
        }
        return OwnFrame{std::move(owner), frame.value(), access};
    }

    OwnFrame(OwnFrame&& other) noexcept
        : owner_{std::move(other.owner_)}, frame_{std::exchange(other.frame_, base::Mfn{})}, access_{other.access_} {}
    OwnFrame& operator=(OwnFrame&&) = delete;
    ~OwnFrame() {
        if (!frame_.valid())
            return;
        auto&& frames = owner_.frames();
        if (access_ == Access::write)
            frames.drop_writable(frame_);
        frames.drop(frame_);
    }

    [[nodiscard]] D& owner() { return owner_; }
    [[nodiscard]] base::Mfn frame() const { return frame_; }

  private:
    OwnFrame(D owner, base::Mfn frame, Access access) : owner_{std::move(owner)}, frame_{frame}, access_{access} {}

    D owner_;
    base::Mfn frame_;
    Access access_;
};

/// One side of a copy: who owns the frame, and which part of it may be used.
template <typename E> class CopySide {
  public:
    using Domain = typename E::Domain;
    using Use = ScopedUse<Domain>;

    static Result<CopySide> open(E& env, decltype(gnttab_copy::source) const& side, bool by_ref, Access access) {
        auto domain = TRY(env.find(base::DomId{side.domid}));
        if (!by_ref && side.domid != DOMID_SELF)
            return base::Err{Fault::permission_denied};
        if (!by_ref)
            return CopySide{TRY(OwnFrame<Domain>::hold(std::move(domain), base::Gfn{side.u.gmfn}, access))};

        auto const granter = domain.id();
        auto use = TRY(Use::begin(std::move(domain), {.ref = base::GrantRef{side.u.ref},
                                                      .mapper = env.self().id(),
                                                      .access = access,
                                                      .purpose = Purpose::copy}));
        auto const& granted = use.pin().granted;
        if (granted.kind != Granted::Kind::transitive)
            return CopySide{std::move(use)};

        // The third domain has granted it to the second.
        if (granted.via.raw() == DOMID_SELF)
            return base::Err{Fault::bad_domain};
        auto third = TRY(env.find(granted.via));
        if (third.id() == granter)
            return base::Err{Fault::general_error};
        auto passed_on = TRY(Use::begin(
            std::move(third), {.ref = granted.via_ref, .mapper = granter, .access = access, .purpose = Purpose::copy}));
        if (passed_on.pin().granted.kind == Granted::Kind::transitive)
            return base::Err{Fault::general_error};
        return CopySide{std::move(passed_on), std::move(use)};
    }

    [[nodiscard]] Domain& owner() { return own_ ? own_->owner() : use_->granter(); }
    [[nodiscard]] base::Mfn frame() const { return own_ ? own_->frame() : use_->pin().frame; }
    [[nodiscard]] PageRange part() const { return own_ ? PageRange{} : use_->pin().granted.part; }

  private:
    explicit CopySide(OwnFrame<Domain> own) : own_{std::move(own)} {}
    explicit CopySide(Use use) : use_{std::move(use)} {}
    CopySide(Use use, Use first) : first_{std::move(first)}, use_{std::move(use)} {}

    std::optional<OwnFrame<Domain>> own_;
    std::optional<Use> first_; ///< a transitive grant that led to use_
    std::optional<Use> use_;
};

template <typename E> Status copy_one(E& env, gnttab_copy const& op) {
    if (std::uint32_t{op.source.offset} + op.len > base::kPageSize ||
        std::uint32_t{op.dest.offset} + op.len > base::kPageSize)
        return base::Err{Fault::bad_copy_argument};
    auto source = TRY(CopySide<E>::open(env, op.source, (op.flags & GNTCOPY_source_gref) != 0, Access::read));
    auto dest = TRY(CopySide<E>::open(env, op.dest, (op.flags & GNTCOPY_dest_gref) != 0, Access::write));
    if (!source.part().contains(op.source.offset, op.len) || !dest.part().contains(op.dest.offset, op.len))
        return base::Err{Fault::general_error};

    // Both may be the same frame.
    std::memmove(arch::direct_map(dest.frame()) + op.dest.offset, arch::direct_map(source.frame()) + op.source.offset,
                 op.len);
    env.mark_dirty(dest.owner(), dest.frame()); // after the write: SP-21
    return {};
}

} // namespace detail

template <GrantEnvironment E> void copy(E& env, gnttab_copy& op) { op.status = to_abi(detail::copy_one(env, op)); }

} // namespace grants
