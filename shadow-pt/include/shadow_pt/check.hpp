/// What must hold of a ready table and its shadow while no operation is under way.
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

template <Host H> void Paging<H>::check_invariants(base::Mfn table) {
    auto const word = host_.frame(table).word();
    ASSERT(is_table(word.use()) && !word.partial());
    auto const shadow = host_.frame(table).link();
    if (!shadow.valid())
        return;
    ASSERT(page(shadow).is_shadow() && page(shadow).table() == table &&
           page(shadow).level() == table_level(word.use()));
    unsigned held = 0;
    for (unsigned index = 0; index < base::kTableEntries; ++index) {
        bool const empty = slot(shadow, index).load().empty();
        held += empty ? 0 : 1;
        if (!hypervisor_slot(page(shadow).level(), index))
            ASSERT(empty || guest_slot(table, index).load().present());
    }
    ASSERT(held == page(shadow).held());
}

} // namespace shadow_pt
