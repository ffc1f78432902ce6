#include "mm/free_runs.hpp"

#include <bit>

namespace mm {

using base::Mfn;

namespace {

/// The neighbour with which a run of @p order makes one of the next order.
Mfn buddy_of(Mfn first, unsigned order) { return Mfn{first.raw() ^ (std::uint64_t{1} << order)}; }

std::uint32_t to_link(Mfn frame) { return static_cast<std::uint32_t>(frame.raw()); }

/// The highest zone whose frames all lie below 2^@p address_bits bytes.
unsigned highest_zone(unsigned address_bits) {
    if (address_bits <= base::kPageShift)
        return 0;
    unsigned const zone = address_bits - base::kPageShift;
    return zone < kZones ? zone : kZones - 1;
}

} // namespace

unsigned FreeRuns::zone_of(Mfn frame) { return static_cast<unsigned>(std::bit_width(frame.raw())); }

std::optional<FreeRuns::Run> FreeRuns::take(unsigned order, unsigned address_bits) {
    ASSERT(order <= kMaxOrder);
    for (unsigned zone = highest_zone(address_bits); zone > 0; --zone) {
        auto const fitting = zones_[zone].orders >> order;
        if (fitting == 0)
            continue;
        unsigned found = order + static_cast<unsigned>(std::countr_zero(fitting));
        Mfn const first{zones_[zone].first[found]};
        bool const unscrubbed = unlink(first, found);
        // Halve it until it fits; the upper halves stay free.
        while (found > order) {
            --found;
            link(buddy_of(first, found), found, unscrubbed);
        }
        return Run{first, unscrubbed};
    }
    return std::nullopt;
}

void FreeRuns::put(Mfn first, unsigned order, bool unscrubbed) {
    ASSERT(first.raw() != 0 && order <= kMaxOrder && first.raw() % (std::uint64_t{1} << order) == 0);
    for (; order < kMaxOrder; ++order) {
        Mfn const buddy = buddy_of(first, order);
        // It lies in the same zone, or begins with frame 0, which is never free.
        if (!is_free_run(buddy, order))
            break;
        unscrubbed |= unlink(buddy, order);
        first = first < buddy ? first : buddy;
    }
    link(first, order, unscrubbed);
}

bool FreeRuns::is_free_run(Mfn first, unsigned order) const {
    if (!table_->valid(first))
        return false;
    auto const flags = table_->info(first).flags.load(std::memory_order_relaxed);
    return (flags & frame_free_run) != 0 && (flags & frame_order_mask) == order;
}

void FreeRuns::link(Mfn first, unsigned order, bool unscrubbed) {
    auto& zone = zones_[zone_of(first)];
    auto& info = table_->info(first);
    auto const next = zone.first[order];

    info.flags.store(static_cast<std::uint16_t>(frame_free_run | order | (unscrubbed ? frame_unscrubbed : 0)),
                     std::memory_order_relaxed);
    info.link = next;
    info.gfn.store(0, std::memory_order_relaxed);
    if (next != 0)
        table_->info(Mfn{next}).gfn.store(to_link(first), std::memory_order_relaxed);
    zone.first[order] = to_link(first);
    zone.orders |= 1u << order;
    zone.frames += std::uint64_t{1} << order;
    frames_ += std::uint64_t{1} << order;
}

/// Answers whether the run is unscrubbed.
bool FreeRuns::unlink(Mfn first, unsigned order) {
    auto& zone = zones_[zone_of(first)];
    auto& info = table_->info(first);
    bool const unscrubbed = info.has(frame_unscrubbed);
    auto const next = info.link;
    auto const previous = info.gfn.load(std::memory_order_relaxed);

    if (previous != 0)
        table_->info(Mfn{previous}).link = next;
    else
        zone.first[order] = next;
    if (next != 0)
        table_->info(Mfn{next}).gfn.store(previous, std::memory_order_relaxed);
    if (zone.first[order] == 0)
        zone.orders &= ~(1u << order);
    zone.frames -= std::uint64_t{1} << order;
    frames_ -= std::uint64_t{1} << order;

    info.flags.store(0, std::memory_order_relaxed);
    info.link = 0;
    info.gfn.store(kNoGfn, std::memory_order_relaxed);
    return unscrubbed;
}

} // namespace mm
