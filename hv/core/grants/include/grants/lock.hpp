/// Both halves of a domain's grants under their one lock, and two domains' at once.
#pragma once

#include <cstdint>
#include <utility>

#include "base/lock.hpp"
#include "base/number.hpp"
#include "grants/grant_table.hpp"
#include "grants/map_track.hpp"

namespace grants {

struct Grants {
    struct Limits {
        GrantTable::Limits table{};
        std::uint32_t map_track_frames = MapTrack::kMaxFrames;
    };

    Grants(mm::FrameAllocator& frames, base::DomId owner, Limits limits)
        : table{frames, owner, limits.table}, track{frames, limits.map_track_frames} {}

    GrantTable table; ///< what the domain grants
    MapTrack track;   ///< what it has mapped
};

using LockedGrants = base::Guarded<Grants, base::LockRank::grants>;

/// Calls @p visit(Grants& one's, Grants& other's) with both locks held, the lower id's taken first. The two may be the
/// same domain: then there is one lock.
template <typename Visit>
decltype(auto) with_both(base::DomId one_id, LockedGrants& one, base::DomId other_id, LockedGrants& other,
                         Visit&& visit) {
    if (&one == &other)
        return one.with([&](Grants& both) -> decltype(auto) { return visit(both, both); });
    if (one_id < other_id)
        return one.with([&](Grants& first) -> decltype(auto) {
            return other.with([&](Grants& second) -> decltype(auto) { return visit(first, second); });
        });
    return other.with([&](Grants& first) -> decltype(auto) {
        return one.with([&](Grants& second) -> decltype(auto) { return visit(second, first); });
    });
}

} // namespace grants
