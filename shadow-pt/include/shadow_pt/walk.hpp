/// Walking the shadows in software (interim: no tables without a shadow are mended here yet).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

template <Host H> auto Paging<H>::descend(Root const& root, base::Vaddr address) -> base::Result<Location> {
    Location at{.shadow = root.shadow, .level = 4, .index = base::table_index(address, 4)};
    for (;;) {
        if (at.level == 1)
            return at;
        auto const e = slot(at.shadow, at.index).load();
        if (!e.present())
            return at;
        at.writable = at.writable && e.writable();
        at.executable = at.executable && e.executable();
        at.shadow = e.frame();
        --at.level;
        at.index = base::table_index(address, at.level);
    }
}

template <Host H> auto Paging<H>::lock_entry(Root const& root, base::Vaddr address) -> base::Result<LockedEntry> {
    auto const at = TRY(descend(root, address));
    if (at.level != 1)
        return base::Err{base::Error::invalid};
    auto const table = page(at.shadow).table();
    if (!table.valid() || !host_.frame(table).lock_table(1))
        return base::Err{base::Error::invalid};
    return LockedEntry{.table = table, .index = at.index};
}

template <Host H> Walk Paging<H>::walk(Root const&, base::Vaddr) { return {}; }

} // namespace shadow_pt
