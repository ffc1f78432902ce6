/// Walking the shadows in software, as a CPU's MMU does, and what it does not: filling in shadows that are missing.
///
/// A walk takes no lock. What it reads may be unhooked by another CPU at any moment, but is not reused before this CPU
/// has flushed, which it does not do in mid-walk (tlb_clock.hpp). Whoever acts on what a walk found locks the table and
/// looks whether it is still that shadow's.
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// Down to the L1 slot of @p address, or to the entry above it that is empty. Entries that are hidden, and tables that
/// have no shadow, are mended on the way. `no_memory`: there is no page for a shadow.
template <Host H> auto Paging<H>::descend(Root const& root, base::Vaddr address) -> base::Result<Location> {
    for (;;) {
        Location at{.shadow = root.shadow, .level = 4, .index = base::table_index(address, 4)};
        auto entry = slot(at.shadow, at.index).load();
        while (at.level > 1 && entry.present()) {
            at.writable = at.writable && entry.writable();
            at.executable = at.executable && entry.executable();
            at.shadow = entry.frame();
            --at.level;
            at.index = base::table_index(address, at.level);
            entry = slot(at.shadow, at.index).load();
        }
        if (at.level == 1 || entry.empty())
            return at;
        auto const mended = mend_upper(at);
        if (!mended.ok() && mended.error() != base::Error::preempted)
            return base::Err{mended.error()};
    }
}

/// Makes the upper entry at @p at present: it becomes young, and its table gets a shadow.
template <Host H> base::Status Paging<H>::mend_upper(Location const& at) {
    auto const table = page(at.shadow).table();
    if (!table.valid() || !host_.frame(table).lock_table(at.level))
        return {}; // torn meanwhile: walk again
    base::Status status{};
    auto const entry = slot(at.shadow, at.index).load();
    if (host_.frame(table).link() == at.shadow && !entry.empty() && !entry.present()) {
        Counters::bump(counters_.hidden_faults);
        auto const child = child_of(entry);
        // The entry's own use keeps the child a table; its lock keeps two CPUs from giving it a shadow each.
        if (!host_.frame(child).link().valid() && host_.frame(child).lock_table(at.level - 1)) {
            if (!host_.frame(child).link().valid())
                status = materialize(child, at.level - 1);
            host_.frame(child).unlock_table();
        }
        if (status.ok()) {
            auto const young = guest_slot(table, at.index).load().with(pte::kAccessed);
            store(table, at.index, young);
            static_cast<void>(set_upper(at.shadow, at.level, at.index, hook(at.level, child, young)));
        }
    }
    host_.frame(table).unlock_table();
    return status;
}

/// The L1 that maps @p address, locked. `invalid`: there is none.
template <Host H> auto Paging<H>::lock_entry(Root const& root, base::Vaddr address) -> base::Result<LockedEntry> {
    for (;;) {
        auto const at = TRY(descend(root, address));
        if (at.level != 1) {
            host_.refused(Refusal::no_table, base::Gfn{address.raw() >> base::kPageShift});
            return base::Err{base::Error::invalid};
        }
        auto const table = page(at.shadow).table();
        if (!table.valid() || !host_.frame(table).lock_table(1))
            continue;
        if (host_.frame(table).link() == at.shadow)
            return LockedEntry{.table = table, .index = at.index};
        host_.frame(table).unlock_table();
    }
}

template <Host H> Walk Paging<H>::walk(Root const& root, base::Vaddr address) {
    Walk walk;
    auto shadow = root.shadow;
    for (unsigned level = 4; level >= 1; --level) {
        auto const index = base::table_index(address, level);
        auto const table = page(shadow).table();
        auto const entry = slot(shadow, index).load();
        walk.step[walk.steps++] = {.table = table,
                                   .shadow = shadow,
                                   .guest_entry = table.valid() ? guest_slot(table, index).load().raw() : 0,
                                   .shadow_entry = entry.raw()};
        if (!entry.present())
            break;
        shadow = entry.frame();
    }
    return walk;
}

} // namespace shadow_pt
