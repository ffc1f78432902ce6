#include "grants/grant_table.hpp"

#include <limits>

namespace grants {

using base::Err;

GrantTable::GrantTable(mm::FrameAllocator& frames, base::DomId owner, Limits limits)
    : limits_{.frames = limits.frames < kMaxFrames ? limits.frames : kMaxFrames, .version = limits.version},
      shared_{frames, mm::Request::special(owner)},
      status_{frames, mm::Request::special(owner)},
      active_{frames, {}} {}

Status GrantTable::grow_to(std::uint32_t frames) {
    if (frames > limits_.frames)
        return Err{Fault::general_error};
    while (this->frames() < frames) {
        // The active entries and the statuses first: a shared frame without them is never seen.
        while (active_.pages() < (shared_.pages() + 1) * kActivePagesPerFrame)
            if (!active_.grow().ok())
                return Err{Fault::general_error};
        if (version_ == 2 && !grow_status(status_frames_for(this->frames() + 1)).ok())
            return Err{Fault::general_error};
        if (!shared_.grow().ok())
            return Err{Fault::general_error};
    }
    return {};
}

Status GrantTable::seed(base::GrantRef ref, base::DomId mapper, base::Gfn frame) {
    if (ref.raw() >= entries() || frame.raw() > std::numeric_limits<std::uint32_t>::max())
        return Err{Fault::bad_ref};
    ASSERT(version_ == 1);
    shared_[ref.raw()].permit(mapper, frame);
    return {};
}

base::Mfn GrantTable::pinned_frame(base::GrantRef ref) {
    if (ref.raw() >= entries() || !active_[ref.raw()].holds_frame())
        return {};
    return base::Mfn{active_[ref.raw()].frame};
}

Status GrantTable::check(PinRequest const& request) {
    if (dying_)
        return Err{Fault::bad_domain};
    if (request.ref.raw() >= entries())
        return Err{Fault::bad_ref};
    Active& active = active_[request.ref.raw()];
    bool const by_another = !active.unused() && active.mapper != request.mapper.raw();
    bool const too_little = request.purpose == Purpose::map && active.kind != Granted::Kind::page;
    if (by_another || too_little || active.uses(request.access).full_for(request.paths))
        return Err{Fault::general_error};
    return {};
}

/// Marks the entry, if it permits what is asked for.
Result<Granted> GrantTable::claim(PinRequest const& request) {
    auto const ref = request.ref.raw();
    if (version_ == 2)
        return entry_v2(ref).claim(status_[ref], request.mapper, request.access, request.purpose);
    TRY(shared_[ref].claim(request.mapper, request.access));
    return Granted{.frame = shared_[ref].frame()};
}

/// Clears the marks that @p active no longer stands behind.
void GrantTable::release_claim(base::GrantRef ref, Active const& active) {
    if (!active.writers.none())
        return;
    if (version_ == 2)
        status_[ref.raw()].release(active.unused());
    else
        shared_[ref.raw()].release(active.unused());
}

bool GrantTable::Uses::full_for(Paths paths) const {
    constexpr auto most = std::numeric_limits<std::uint16_t>::max();
    return (paths.host && host == most) || (paths.device && device == most);
}

void GrantTable::Uses::add(Paths paths) {
    host = static_cast<std::uint16_t>(host + (paths.host ? 1 : 0));
    device = static_cast<std::uint16_t>(device + (paths.device ? 1 : 0));
}

void GrantTable::Uses::remove(Paths paths) {
    ASSERT((!paths.host || host != 0) && (!paths.device || device != 0));
    host = static_cast<std::uint16_t>(host - (paths.host ? 1 : 0));
    device = static_cast<std::uint16_t>(device - (paths.device ? 1 : 0));
}

} // namespace grants
