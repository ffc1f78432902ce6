/// The other tracker, to compare with: a page's first write faults (Tracker::write_protect).
///
///     tracking starts     every leaf loses the permission to write; none gets it but by a fault
///     a write faults      its page is marked, the leaf may write, its L1 is a start of the next harvest
///     a harvest           takes the permission from the leaves of its starts
///
/// A mark may be taken by a harvest after its fault and before its write. So a leaf that loses the permission with D set is marked, too
/// (SP-5): what was written after the mark was taken is told by the next harvest. And a leaf that loses it is stamped, so that
/// a frame that becomes a table is flushed from TLBs which can still write to it (SP-6). Both are what the door for leaves does.
///
/// A protected leaf looks like one whose page the guest's entry calls clean (SP-17): the fault finds out which.
/// Pages of other domains, mapped by this one, are not its concern.
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// Takes the permission to write from the leaves of an L1 shadow. Its table is locked.
template <Host H> void Paging<H>::protect(Mfn shadow) {
    unsigned left = page(shadow).held(), index = 0, found = 0;
    for (; index < base::kTableEntries && left > 0; ++index) {
        auto const entry = slot(shadow, index).load();
        if (entry.empty())
            continue;
        --left;
        if (entry.kind() != TargetKind::own || !(entry.writable() || entry.dirty()))
            continue;
        if (exchange_leaf(shadow, index, entry.write_protected()).dirty())
            ++found;
    }
    Counters::bump(counters_.entries_harvested, index);
    Counters::bump(counters_.leaves_harvested, found);
}

/// Puts @p fresh, which a write has asked for, into a slot of @p table's shadow. The table is locked.
template <Host H> void Paging<H>::allow_write(Mfn table, unsigned index, ShadowEntry fresh) {
    if (fresh.writable() && fresh.kind() == TargetKind::own) {
        Counters::bump(counters_.write_faults);
        host_.mark_dirty(fresh.frame());
        remember_start(table);
    }
    exchange_leaf(host_.frame(table).link(), index, fresh);
}

} // namespace shadow_pt
