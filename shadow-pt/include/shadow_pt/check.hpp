/// What must hold of every table while no operation is under way: for debug builds, and for the tests.
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// What a bare table holds is used as its words say.
template <Host H> void Paging<H>::check_words(base::Mfn table, unsigned level) {
    auto const word = host_.frame(table).word();
    ASSERT(word.partial() || !word.bare() || word.cursor() == base::kTableEntries ||
           (level == 1 && word.cursor() == 0));
    for (unsigned index = 0; index < word.cursor() && word.bare(); ++index) {
        auto const guest = guest_slot(table, index).load();
        if (!guest.present() || hypervisor_slot(level, index))
            continue;
        if (level == 1) {
            ASSERT(!leaf_by_word(guest).empty());
            continue;
        }
        auto const child = child_by_word(level, index, guest);
        ASSERT(child.valid());
        auto const below = host_.frame(child).word();
        ASSERT(below.count() > 0 && !below.partial());
    }
}

template <Host H> void Paging<H>::check_invariants(base::Mfn table) {
    auto& frame = host_.frame(table);
    auto const word = frame.word();
    auto const level = table_level(word.use());
    ASSERT(!word.locked());
    ASSERT(!word.partial() || word.count() <= 1);
    ASSERT(word.partial() || word.count() > 0);
    ASSERT(!word.pinned() || word.count() > 0);
    auto const shadow = frame.link();
    ASSERT(word.bare() ? !shadow.valid() : word.partial() || shadow.valid());
    if (!shadow.valid()) {
        check_words(table, level);
        return;
    }
    ASSERT(page(shadow).is_shadow() && page(shadow).table() == table && page(shadow).level() == level);

    unsigned held = 0;
    unsigned lent = 0;
    for (unsigned index = 0; index < base::kTableEntries; ++index) {
        auto const entry = slot(shadow, index).load();
        auto const guest = guest_slot(table, index).load();
        if (entry.empty())
            continue;
        ++held;
        ASSERT(!hypervisor_slot(level, index));
        ASSERT((entry.raw() & pte::kGlobal) == 0 && (entry.raw() & pte::kUser) != 0);
        ASSERT(level == 1 || !entry.is_absent() || !entry.present());
        ASSERT(guest.present() && entry.executable() == ((guest.raw() & pte::kNoExecute) == 0));
        ASSERT(!entry.present() || guest.accessed());
        ASSERT(!entry.writable() || guest.writable());
        if (level > 1) {
            auto const child = child_of(entry);
            auto const below = host_.frame(child).word();
            ASSERT(below.use() == table_use(level - 1) && below.count() > 0 && !below.partial());
            ASSERT(entry.is_absent() ||
                   (host_.frame(child).link() == entry.frame() && page(entry.frame()).hooks() > 0));
            continue;
        }
        lent += entry.lent() ? 1 : 0;
        ASSERT(entry.guest_write() ? guest.writable() : !entry.writable());
        ASSERT(!entry.writable() || guest.dirty());
        ASSERT(!entry.dirty() || entry.writable());
        if (entry.guest_write() && entry.is_ram())
            ASSERT(host_.frame(entry.frame()).use() == Use::writable);
    }
    ASSERT(held == page(shadow).held() && (level > 1 || lent == page(shadow).lent()));
}

} // namespace shadow_pt
