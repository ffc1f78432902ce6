/// Walking the shadows in software.
///
/// A walk takes no lock and no reference. It may follow a shadow that another CPU is just unhooking: that page is not
/// reused before this CPU has flushed, and this CPU does not flush in the middle of a walk (SP-11); or it is counted as
/// recycled (evict.hpp). What a walk finds is checked again by whoever acts on it, under the table's lock, and is right if
/// nothing was recycled since the walk began: overtaken().
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// Goes down to the L1 slot of @p address, mending hidden and absent entries on the way; or to the first empty slot.
template <Host H> auto Paging<H>::descend(Root const& root, base::Vaddr address) -> base::Result<Location> {
    for (;;) {
        Location at{.shadow = root.shadow,
                    .level = 4,
                    .index = base::table_index(address, 4),
                    .recycled = recycled_.load(std::memory_order_acquire)};
        while (at.level > 1) {
            at.way[at.level - 1] = at.shadow;
            auto const entry = slot(at.shadow, at.index).load();
            if (entry.empty())
                return at;
            if (!entry.present())
                break;
            auto const below = at.level - 1;
            at = {.shadow = entry.frame(),
                  .level = below,
                  .index = base::table_index(address, below),
                  .writable = at.writable && entry.writable(),
                  .executable = at.executable && entry.executable(),
                  .recycled = at.recycled,
                  .way = at.way};
        }
        if (at.level == 1)
            return at;
        TRY(mend_upper(at));
    }
}

/// True if a page that a walk went through may have become another shadow since the walk began, when @p recycled was read.
template <Host H> bool Paging<H>::overtaken(std::uint64_t recycled) const {
    return recycled_.load(std::memory_order_acquire) != recycled;
}

/// True if a walk to @p address comes to the L1 shadow @p shadow now. Mends nothing: locks may be held.
template <Host H> bool Paging<H>::leads_to(Root const& root, base::Vaddr address, Mfn shadow) {
    auto at = root.shadow;
    for (unsigned level = 4; level > 1; --level) {
        auto const entry = slot(at, base::table_index(address, level)).load();
        if (!entry.present())
            return false;
        at = entry.frame();
    }
    return at == shadow;
}

/// Makes an upper entry present that is hidden (the guest had cleared its A) or absent (its table was unhooked, or has no shadow),
/// if that is still so. `no_memory`, `preempted`: as take_page().
template <Host H> base::Status Paging<H>::mend_upper(Location const& at) {
    auto const table = page(at.shadow).table();
    if (!table.valid() || !host_.frame(table).lock_table(at.level))
        return {};
    typename FrameState::TableLock const lock{host_.frame(table)};
    auto const entry = slot(at.shadow, at.index).load();
    if (host_.frame(table).link() != at.shadow || overtaken(at) || entry.empty() || entry.present())
        return {};

    auto const found = guest_slot(table, at.index).load();
    if (!found.present()) { // changed behind our back, by a device
        give_back_child(set_upper(at.shadow, at.level, at.index, ShadowEntry{}), at.level - 1);
        return {};
    }
    auto const child = child_of(entry);
    auto& below = host_.frame(child);
    bool const locked = below.lock_table(at.level - 1);
    ASSERT(locked); // it is held
    typename FrameState::TableLock const child_lock{below};
    if (!below.link().valid())
        TRY(materialize(child, at.level - 1, at.way));
    auto const young = found.with(pte::kAccessed);
    if (!(young == found))
        store(table, at.index, young);
    page(below.link()).set_new();
    hook_locked(at.shadow, at.level, at.index, child, young);
    Counters::bump(counters_.hidden_faults);
    return {};
}

template <Host H> auto Paging<H>::why_empty(Location const& at) -> Emptiness {
    if (hypervisor_slot(at.level, at.index))
        return Emptiness::not_present;
    auto const table = page(at.shadow).table();
    if (!table.valid())
        return Emptiness::moved;
    auto& frame = host_.frame(table);
    bool const not_present = !guest_slot(table, at.index).load().present();
    if (frame.link() != at.shadow)
        return Emptiness::moved;
    if (not_present)
        return Emptiness::not_present;
    // Present in the guest's table and empty in the shadow: either somebody is between the two, or it was refused.
    if (!frame.lock_table(at.level))
        return Emptiness::moved;
    typename FrameState::TableLock const lock{frame};
    bool const settled = frame.link() == at.shadow && slot(at.shadow, at.index).load().empty() &&
                         guest_slot(table, at.index).load().present();
    return settled ? Emptiness::refused : Emptiness::moved;
}

template <Host H> bool Paging<H>::maps_nothing(Root const& root, base::Vaddr address) {
    auto const recycled = recycled_.load(std::memory_order_acquire);
    auto shadow = root.shadow;
    for (unsigned level = 4; level >= 1; --level) {
        auto const index = base::table_index(address, level);
        auto const entry = slot(shadow, index).load();
        if (entry.empty()) {
            auto const table = page(shadow).table();
            bool const nothing = table.valid() && !guest_slot(table, index).load().present();
            return nothing && host_.frame(table).link() == shadow && !overtaken(recycled);
        }
        if (!entry.present())
            return false;
        shadow = entry.frame();
    }
    return false;
}

/// Locks the L1 that translates @p address; `invalid` if there is none.
template <Host H> auto Paging<H>::lock_entry(Root const& root, base::Vaddr address) -> base::Result<LockedEntry> {
    for (;;) {
        auto const at = TRY(descend(root, address));
        if (!base::canonical(address) || (at.level > 1 && why_empty(at) != Emptiness::moved))
            return refuse(Refusal::no_table, Gfn{address.raw() >> base::kPageShift});
        auto const table = at.level > 1 ? Mfn{} : page(at.shadow).table();
        if (!table.valid() || !host_.frame(table).lock_table(1))
            continue;
        if (host_.frame(table).link() == at.shadow && leads_to(root, address, at.shadow) && !overtaken(at))
            return LockedEntry{table, at.index};
        host_.frame(table).unlock_table();
    }
}

template <Host H> Walk Paging<H>::walk(Root const& root, base::Vaddr address) {
    Walk walk;
    auto shadow = root.shadow;
    for (unsigned level = 4; level >= 1; --level) {
        auto const index = base::table_index(address, level);
        auto& step = walk.step[walk.steps++];
        step.shadow = shadow;
        step.table = page(shadow).table();
        step.shadow_entry = slot(shadow, index).load().raw();
        if (step.table.valid())
            step.guest_entry = guest_slot(step.table, index).load().raw();
        ShadowEntry const entry{step.shadow_entry};
        if (entry.empty() || entry.is_absent())
            break;
        shadow = entry.frame();
    }
    return walk;
}

} // namespace shadow_pt
