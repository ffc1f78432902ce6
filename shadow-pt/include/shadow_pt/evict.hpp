/// Evicting shadows, so that a domain runs on as many as its pool has pages (SP-10).
///
///   A clock: its hand goes from one shadow page of the pool to the next. At a shadow above L1 it looks at the entries that lead to
///   others: one that was used since it last passed loses its A, and is left; one that was not is *unhooked*: it becomes absent,
///   and goes on holding the child. A shadow that no entry leads to is evicted: its table becomes bare. So nobody needs to know a
///   table's parents, and one with many of them goes when the last of these has let go.
///
///   A fault brings an unhooked child back by hooking it up again, and a bare one by filling a page.
///
///   Never evicted: what bare tables cannot hold (bare.hpp), the roots that somebody has, and what is on the way to the address that
///   needs the page. What a fault has brought is *new*, and is left alone until the hand has gone round: so an instruction that
///   touches several pages gets the tables of all of them, if the pool has room for them at all.
///
///   The hand takes no lock that it would have to wait for, so that it may run with any tables locked.
///
/// Harvests stay exact: a D bit goes to the log with its leaf (SP-5). A child that is unhooked is a start of the next harvest, if
/// anything was reached through the entry. An A that the hand takes leaves a mark that a harvest reads as A (SP-19).
///
/// A page is used again when no CPU can walk through it any more: those in guests are made to flush at once (SP-11). The
/// hypervisor's own walks are on CPUs that are not waited for; so each such page that is used again counts up `recycled_`, and
/// a walk that finds the number changed at its end starts over.
#pragma once

#include <algorithm>

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// A page for a shadow that is needed now. May be called with tables locked; what is on the @p way to an
/// address is not evicted; of the shadows' tables the caller has locked that of the last one there, if any. `no_memory`: nothing can be evicted; `preempted`: what could be is locked by others.
template <Host H> auto Paging<H>::take_page(Way const& way) -> base::Result<Mfn> {
    if (auto const page = host_.allocate_shadow(); page.ok())
        return page;
    for (;;) {
        if (auto const page = host_.allocate_shadow_at_once(); page.ok()) {
            recycled_.fetch_add(1); // before anything is written there
            return page;
        }
        TRY(make_room(way));
    }
}

/// Evicts a few shadows, or at least one.
template <Host H> base::Status Paging<H>::make_room(Way const& way) {
    auto const shadows = host_.shadows_in_use();
    unsigned const wanted = static_cast<unsigned>(std::clamp<std::uint64_t>(shadows / 16, 1, kMostEvictedAtOnce));
    Sweep sweep{.way = way, .wanted = wanted};
    // What was not used for a round of the hand; then what was, but is not new; then what there is. In a large pool the hand does
    // not go all the way round for it: a fault should not take long.
    struct Pass {
        Spare spare;
        std::uint64_t steps;
    };
    for (auto const [spare, steps] :
         {Pass{Spare::used, std::min(shadows + 1, kPatience)}, Pass{Spare::fresh, std::min(4 * shadows, 4 * kPatience)},
          Pass{Spare::nothing, shadows + 1}}) {
        sweep.spare = spare;
        for (std::uint64_t step = 0; step < steps && sweep.evicted < (spare == Spare::used ? wanted : 1); ++step)
            look_at(host_.next_shadow(), sweep);
    }
    if (sweep.evicted > 0)
        return {};
    return base::Err{sweep.met_busy || !remains_.none() ? base::Error::preempted : base::Error::no_memory};
}

template <Host H> base::Status Paging<H>::shed(std::uint64_t shadows) {
    while (host_.shadows_in_use() > shadows) {
        TRY(make_room({}));
        if (host_.should_yield())
            return base::Err{base::Error::preempted};
    }
    return {};
}

/// The hand is at @p shadow.
template <Host H> void Paging<H>::look_at(Mfn shadow, Sweep& sweep) {
    auto const level = shadow.valid() ? level_of(shadow) : 0;
    auto const table = level == 0 ? Mfn{} : page(shadow).table();
    if (!table.valid())
        return;
    auto& frame = host_.frame(table);
    bool const own = shadow == sweep.locked();
    if (!own && !frame.try_lock_table(level)) {
        sweep.met_busy = true;
        return;
    }
    if (frame.link() == shadow && frame.word().partial()) {
        sweep.met_busy = true;
    } else if (frame.link() == shadow) {
        bool const is_new = page(shadow).is_new() && sweep.spare != Spare::nothing;
        page(shadow).grow_older();
        bool const a_root = level == 4 && frame.word().count() > (frame.word().pinned() ? 1U : 0U);
        if (page(shadow).hooks() > 0 || a_root || sweep.is_on_way(shadow))
            thin_out(shadow, level, sweep);
        else if (!is_new && evict(table, shadow, level, sweep))
            ++sweep.evicted;
    }
    if (!own)
        frame.unlock_table();
}

/// Unhooks children of @p shadow that were not used, and evicts those that no other entry leads to.
template <Host H> void Paging<H>::thin_out(Mfn shadow, unsigned level, Sweep& sweep) {
    for (unsigned index = 0; level > 1 && index < base::kTableEntries && sweep.evicted < sweep.wanted; ++index) {
        auto const entry = slot(shadow, index).load();
        if (entry.empty() || entry.is_absent() || sweep.is_on_way(entry.frame()))
            continue;
        // The A bits of an L4's entries are in the CPUs' own root pages: each entry is given one round.
        bool const used = level == 4 ? !entry.aged() : entry.accessed();
        if (used && sweep.spare == Spare::used) {
            slot(shadow, index).age();
            continue;
        }
        auto const child = child_of(entry);
        auto& below = host_.frame(child);
        if (!below.try_lock_table(level - 1)) {
            sweep.met_busy = true;
            continue;
        }
        typename FrameState::TableLock const lock{below};
        auto const one = page(entry.frame());
        bool const is_new = one.is_new() && sweep.spare != Spare::nothing;
        if (is_new || one.lent() > 0 || (sweep.spare == Spare::used && leads_on(entry.frame(), level - 1)))
            continue;
        unhook(shadow, level, index, child);
        if (page(entry.frame()).hooks() == 0 && evict(child, entry.frame(), level - 1, sweep))
            ++sweep.evicted;
        else
            remember_unhooked(child);
    }
}

/// True if something was reached through an entry of the shadow @p shadow, of a table above L1, since the hand was there.
template <Host H> bool Paging<H>::leads_on(Mfn shadow, unsigned level) {
    for (unsigned index = 0; level > 1 && index < base::kTableEntries; ++index)
        if (auto const entry = slot(shadow, index).load(); entry.present() && entry.accessed())
            return true;
    return false;
}

/// An upper entry goes on holding @p child, and leads nowhere. REQUIRES: both tables are locked.
template <Host H> void Paging<H>::unhook(Mfn shadow, unsigned level, unsigned index, Mfn child) {
    auto const word = guest_slot(page(shadow).table(), index).load();
    set_upper(shadow, level, index, ShadowEntry::absent(level, child, word));
}

/// What may have been written through the entry that led to @p child is found from the child on. REQUIRES: locked.
template <Host H> void Paging<H>::remember_unhooked(Mfn child) {
    if (tracking())
        remember_start(child);
}

/// True if the words of @p table say all that its shadow holds, and go on doing so.
template <Host H> bool Paging<H>::words_say_all(Mfn table, Mfn shadow, unsigned level) {
    if (page(shadow).lent() > 0)
        return false;
    unsigned held = 0;
    for (unsigned index = 0; index < base::kTableEntries; ++index) {
        auto const entry = slot(shadow, index).load();
        auto const word = guest_slot(table, index).load();
        if (entry.empty()) {
            if (word.present() && !hypervisor_slot(level, index))
                return false;
            continue;
        }
        ++held;
        auto const frame = level > 1 ? child_of(entry) : entry.frame();
        auto const kind = level > 1 ? TargetKind::own : entry.kind();
        auto const target = word.present() ? host_.named(word.frame()) : std::nullopt;
        if (!target || target->frame != frame || target->kind != kind)
            return false;
        if (kind != TargetKind::device && !host_.still_names(word.frame(), frame))
            return false;
        if (level == 1 && entry.guest_write() != (word.writable() && !target->read_only))
            return false;
    }
    return held == page(shadow).held();
}

/// Takes the shadow of @p table away; false if that cannot be. REQUIRES: locked, ready, and no entry leads to the shadow.
template <Host H> bool Paging<H>::evict(Mfn table, Mfn shadow, unsigned level, Sweep& sweep) {
    auto& frame = host_.frame(table);
    if (frame.word().partial() || page(shadow).lent() > 0)
        return false;
    // Before the words are compared with the numbers: who takes a number away hereafter leaves it to those that hold by it
    // (Host::named).
    bare_.fetch_add(1);
    if (!words_say_all(table, shadow, level) || (level > 1 && !unhook_all(shadow, level, sweep))) {
        bare_.fetch_sub(1);
        return false;
    }
    for (unsigned index = 0; index < base::kTableEntries; ++index) {
        auto place = slot(shadow, index);
        if (place.load().empty())
            continue;
        auto const old = place.exchange(ShadowEntry{});
        if (level == 1 && old.dirty() && old.is_ram())
            host_.mark_dirty(old.frame());
    }
    page(shadow).forget_held();
    page(shadow).leave_table();
    page(shadow).end();
    frame.clear_link();
    frame.make_bare(base::kTableEntries);
    Counters::bump(counters_.shadows_evicted);
    if (level > 1)
        Counters::bump(counters_.uppers_evicted);
    if (sweep.spare != Spare::used)
        Counters::bump(sweep.spare == Spare::fresh ? counters_.evicted_in_use : counters_.evicted_new);
    host_.free_shadow(shadow, host_.clock().now());
    return true;
}

/// False if a child is locked by somebody: then the rest is hooked up still.
template <Host H> bool Paging<H>::unhook_all(Mfn shadow, unsigned level, Sweep& sweep) {
    for (unsigned index = 0; index < base::kTableEntries; ++index) {
        auto const entry = slot(shadow, index).load();
        if (entry.empty() || entry.is_absent())
            continue;
        auto const child = child_of(entry);
        bool const own = entry.frame() == sweep.locked();
        if (!own && !host_.frame(child).try_lock_table(level - 1)) {
            sweep.met_busy = true;
            return false;
        }
        unhook(shadow, level, index, child);
        remember_unhooked(child);
        if (!own)
            host_.frame(child).unlock_table();
    }
    return true;
}

} // namespace shadow_pt
