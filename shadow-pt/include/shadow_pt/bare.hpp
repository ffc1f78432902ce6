/// Bare tables: those that have no shadow, and hold by their words (SP-3, SP-10).
///
/// A table holds what its entries name whether it has a shadow or not: the use of a child as a table, the reference and the
/// `writable` use of a page. With a shadow, the shadow's entries say what is held. Without one the guest's own words do: nobody
/// writes to a table but through Paging, and a number goes on naming its frame as long as an entry may hold that by it
/// (Host::named). So an eviction moves nothing from hand to hand, a rebuild fills one page, and a guest cannot tell.
///
/// What words do not say, no bare table holds: an entry made for another domain, by a grant, or for a page that its domain has
/// given up since keeps its table's shadow from being evicted.
///
/// An L1 of a domain that was restored is *unread* at first (SP-23): it is a table, so nobody maps it writable or writes to it but through
/// Paging, but it holds nothing of what its words name. That keeps the work out of a blackout, and is safe because safety comes from
/// translation: a fault that asks for its shadow has all its words looked at first, as if they were written just then. A word that
/// names what it must not is lost then (it becomes not present); no domain that was stopped where it was held to these rules has one.
///
/// A device that writes to a table behind everybody's back (of a domain that has devices) makes a bare one name other frames than
/// it holds. What cannot have been held is passed over here; see docs/threat-model.md for the rest.
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// The leaf that a bare L1 holds by @p word. Its D is in the log already.
template <Host H> ShadowEntry Paging<H>::leaf_by_word(GuestEntry word) {
    if (!word.present())
        return {};
    auto const target = host_.named(word.frame());
    if (!target)
        return {};
    bool const write = word.writable() && !target->read_only;
    if (write && target->kind == TargetKind::own && host_.frame(target->frame).use() != Use::writable)
        return {};
    return ShadowEntry::leaf(target->frame, target->kind, word, write);
}

/// The table that entry @p index of a bare table of @p level holds by @p word; invalid if it holds none.
template <Host H> auto Paging<H>::child_by_word(unsigned level, unsigned index, GuestEntry word) -> Mfn {
    if (!word.present() || hypervisor_slot(level, index))
        return {};
    auto const target = host_.named(word.frame());
    if (!target || target->kind != TargetKind::own)
        return {};
    return host_.frame(target->frame).use() == table_use(level - 1) ? target->frame : Mfn{};
}

/// REQUIRES: locked, no shadow; its entries below @p held are held.
template <Host H> void Paging<H>::become_bare(Mfn table, unsigned held) {
    host_.frame(table).make_bare(held);
    bare_.fetch_add(1);
}

template <Host H> void Paging<H>::cease_to_be_bare(Mfn table) {
    host_.frame(table).end_bare();
    bare_.fetch_sub(1);
}

/// An unread L1 becomes one that holds all its words. REQUIRES: locked, bare.
template <Host H> void Paging<H>::read_words(Mfn table) {
    auto& frame = host_.frame(table);
    auto work = Work::none;
    for (unsigned index = frame.word().cursor(); index < base::kTableEntries; ++index)
        if (!take_entry_in(table, Mfn{}, 1, index, Shadows::later, work).ok())
            store(table, index, GuestEntry{});
    frame.set_cursor(base::kTableEntries);
}

/// Gives back what a bare table holds. REQUIRES: locked, partial.
template <Host H> void Paging<H>::give_back_words(Mfn table) {
    auto const word = host_.frame(table).word();
    auto const level = table_level(word.use());
    for (unsigned index = 0; index < word.cursor(); ++index) {
        auto const entry = guest_slot(table, index).load();
        if (level > 1) {
            give_back_child(child_by_word(level, index, entry), level - 1);
            continue;
        }
        auto const leaf = leaf_by_word(entry);
        leaf_changed(leaf, ShadowEntry{});
        give_back_leaf(leaf);
    }
    cease_to_be_bare(table);
}

/// Gives a bare table its shadow, which fills one page: its children come by their own faults (SP-10). `preempted`: the table is
/// just being given up elsewhere. REQUIRES: locked, ready, bare; no other table is locked but the last on the @p way.
template <Host H> base::Status Paging<H>::materialize(Mfn table, unsigned level, Way const& way) {
    auto& frame = host_.frame(table);
    ASSERT(frame.word().bare() && !frame.word().partial());
    if (frame.word().queued())
        return base::Err{base::Error::preempted};
    auto const shadow = TRY(take_page(way));
    if (level == 1)
        read_words(table);
    page(shadow).begin(level, table);
    for (unsigned index = 0; index < base::kTableEntries; ++index) {
        auto const word = guest_slot(table, index).load();
        if (level == 1) {
            if (auto const leaf = leaf_by_word(word); !leaf.empty()) {
                set_leaf(shadow, index, leaf);
                if (protecting()) // TLBs may know it as it was before the last shadow was evicted (SP-6)
                    leaf_changed(leaf, leaf.write_protected());
            }
        } else if (auto const child = child_by_word(level, index, word); child.valid()) {
            hook(shadow, level, index, child, word);
        }
    }
    cease_to_be_bare(table);
    frame.set_link(shadow);
    Counters::bump(counters_.tables_built);
    Counters::bump(counters_.shadows_filled);
    return {};
}

} // namespace shadow_pt
