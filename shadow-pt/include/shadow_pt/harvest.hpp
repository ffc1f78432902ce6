/// Harvesting: the D bits that processors have set in shadows are cleared and told to the log (SP-19 to SP-22).
///
///   Only what was touched is looked at. An upper entry without A and without a tag leads to nothing that has been written since
///   the last harvest, and its whole subtree is passed over. Where A is set it is cleared *before* the subtree is visited, and
///   the entry is tagged, so that the next harvest visits it too: until the flush at the end of this one, a CPU may go on writing
///   by a cached copy of that entry, and leave no A behind. Entries of an L4 are always followed: their A bits are in the CPUs'
///   root pages.
///
///   No lock is held while a harvest goes from one table to the next; it remembers where it was, and what has left its place in
///   between is among the starts (harvest_starts.hpp). A table that several entries lead to is visited once: its shadow carries
///   the number of the harvest.
///
///   With Tracker::write_protect a harvest takes permissions away instead (write_protect.hpp). Its starts are the L1s in which a
///   write was allowed since the last one; the first visits every table.
///
///   The flush is the caller's, after it has taken what it wants from the log, and before anybody reads a page because of it.
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// From now on the starts of harvests are remembered. `exists`: they are already; `no_memory`, `preempted`: as take_page().
/// The caller then tells the roots that vCPUs have now, none of which may change its roots meanwhile.
template <Host H> base::Status Paging<H>::start_tracking(Tracker tracker) {
    if (tracking())
        return base::Err{base::Error::exists};
    StartList made[3];
    for (auto& list : made) {
        auto const page = take_page();
        if (!page.ok()) {
            for (auto& other : made)
                drop_list(other);
            return base::Err{page.error()};
        }
        list = StartList{page.value(), host_.table(page.value())};
    }
    harvest_ = {};
    walking_ = made[1];
    previous_ = made[2];
    fresh_.with([&](StartList& fresh) { fresh = made[0]; });
    if (tracker == Tracker::write_protect) {
        protecting_.store(true);
        everything_.store(1);
    }
    tracking_.store(true);
    return {};
}

/// REQUIRES: no CPU is in a harvest.
template <Host H> void Paging<H>::stop_tracking() {
    if (!tracking_.exchange(false))
        return;
    protecting_.store(false); // what is protected still is so until its next fault
    StartList fresh = fresh_.with([](StartList& list) { return std::exchange(list, StartList{}); });
    for (unsigned index = 0; index < fresh.size(); ++index)
        unlist(fresh.at(index));
    drop_list(fresh);
    drop_list(walking_);
    drop_list(previous_);
}

template <Host H> void Paging<H>::drop_list(StartList& list) {
    if (!list.page().valid())
        return;
    list.wipe();
    host_.free_shadow(list.page(), host_.clock().now());
    list = StartList{};
}

/// The next harvest starts at the shadow of @p table, too. REQUIRES: @p table is locked, and tracking() was true.
template <Host H> void Paging<H>::remember_start(Mfn table) {
    auto const shadow = host_.frame(table).link();
    if (!shadow.valid() || page(shadow).listed())
        return;
    bool const listed = fresh_.with([&](StartList& fresh) {
        if (!fresh.page().valid())
            return false; // tracking has just been stopped
        if (fresh.full())
            fresh.compact([&](Mfn one) { return page(one).is_shadow() && page(one).table().valid(); });
        if (fresh.full())
            return false;
        fresh.push(shadow);
        return true;
    });
    page(shadow).set_listed(listed);
    if (!listed)
        starts_everywhere(); // this harvest, and the one that visits its starts once more
}

/// The same, for who holds no lock; nothing if @p table is no table of @p level any more.
template <Host H> void Paging<H>::starts_at(Mfn table, unsigned level) {
    // Of what is protected, only first writes tell (allow_write): once each table has been visited, and a root need not have a
    // number by which it is found then.
    bool const told_otherwise = protecting() && (level < 4 || everything_.load() == 0);
    if (!tracking() || told_otherwise || !host_.frame(table).lock_table(level))
        return;
    remember_start(table);
    host_.frame(table).unlock_table();
}

/// The level of a shadow; 0 if the page is none any more. Without a lock it is a hint.
template <Host H> unsigned Paging<H>::level_of(Mfn shadow) {
    auto const level = page(shadow).is_shadow() ? page(shadow).level() : 0;
    return level <= 4 ? level : 0;
}

/// Locks the guest's table that @p shadow is the shadow of; invalid if it is that of none of @p level.
template <Host H> base::Mfn Paging<H>::lock_shadow(Mfn shadow, unsigned level) {
    if (level == 0 || level_of(shadow) != level)
        return {};
    auto const table = page(shadow).table();
    if (!table.valid() || !host_.frame(table).lock_table(level))
        return {};
    if (host_.frame(table).link() == shadow)
        return table;
    host_.frame(table).unlock_table();
    return {};
}

template <Host H> void Paging<H>::unlist(Mfn shadow) {
    if (auto const table = lock_shadow(shadow, level_of(shadow)); table.valid()) {
        page(shadow).set_listed(false);
        host_.frame(table).unlock_table();
    }
}

/// One harvest of the whole domain; what was written goes to the host's log. `preempted`: call again. One caller at a time.
/// REQUIRES: tracking(). The caller has told the roots that vCPUs have before the first call of each harvest.
template <Host H> base::Status Paging<H>::harvest() {
    if (harvest_.phase == HarvestPhase::idle) {
        TRY(drain()); // what left its place in an operation that has not been gone on with is no start yet, or holds D bits itself
        begin_harvest();
    }
    for (;;) {
        if (harvest_.depth > 0)
            harvest_step();
        else if (!next_start())
            break;
        if (host_.should_yield())
            return base::Err{base::Error::preempted};
    }
    std::swap(previous_, walking_);
    walking_.clear();
    harvest_.phase = HarvestPhase::idle;
    Counters::bump(counters_.harvests);
    return {};
}

template <Host H> void Paging<H>::begin_harvest() {
    if (++harvest_number_ > ShadowPage::kMostHarvests) {
        harvest_number_ = 1; // the old numbers mean something else now: all tables get the new one
        starts_everywhere();
    }
    harvest_.next = 0;
    harvest_.gfn = base::Gfn{0};
    auto left = everything_.load();
    while (left > 0 && !everything_.compare_exchange_weak(left, left - 1)) // others may set it anew
        ;
    harvest_.phase = left > 0 ? HarvestPhase::whole : HarvestPhase::previous;
    walking_.clear();
    fresh_.with([&](StartList& fresh) { std::swap(fresh, walking_); });
}

/// Puts the next start on the path; false if there is none left.
template <Host H> bool Paging<H>::next_start() {
    if (harvest_.phase == HarvestPhase::whole) {
        auto const table = host_.next_own(harvest_.gfn);
        if (table.valid()) {
            push_table(table);
            return true;
        }
        harvest_.phase = HarvestPhase::previous;
    }
    if (harvest_.phase == HarvestPhase::previous) {
        if (harvest_.next < previous_.size() && !protecting()) {
            push_start(previous_.at(harvest_.next++));
            return true;
        }
        harvest_.phase = HarvestPhase::walking;
        harvest_.next = 0;
    }
    if (harvest_.next == walking_.size())
        return false;
    auto const start = walking_.at(harvest_.next++);
    unlist(start); // who loads it from now on starts there again
    push_start(start);
    return true;
}

template <Host H> void Paging<H>::push_start(Mfn shadow) {
    if (auto const level = level_of(shadow); level != 0)
        harvest_.path[harvest_.depth++] = {.shadow = shadow, .level = level, .next = 0};
}

/// One of every table that there is, with all below it: not each of those has a frame in the map still.
template <Host H> void Paging<H>::push_table(Mfn table) {
    if (auto const shadow = is_table(host_.frame(table).use()) ? host_.frame(table).link() : Mfn{}; shadow.valid())
        push_start(shadow);
}

/// Goes on at the end of the path: visits an L1 as a whole, or finds the next child of a table above.
template <Host H> void Paging<H>::harvest_step() {
    auto& at = harvest_.path[harvest_.depth - 1];
    auto const table = lock_shadow(at.shadow, at.level);
    if (!table.valid()) {
        --harvest_.depth;
        return;
    }
    typename FrameState::TableLock const lock{host_.frame(table)};
    auto one = page(at.shadow);
    if (at.next == 0) {
        // A start that is an L1 may have been written to since it was visited as one of all.
        bool const again = protecting() && at.level == 1 && harvest_.phase == HarvestPhase::walking;
        if (one.visited() == harvest_number_ && !again) {
            --harvest_.depth;
            return;
        }
        one.set_visited(harvest_number_);
        Counters::bump(counters_.tables_harvested);
    }
    if (at.level == 1) {
        if (protecting())
            protect(at.shadow);
        else
            collect(at.shadow);
        --harvest_.depth;
        return;
    }
    auto const first = at.next;
    Mfn child;
    while (at.next < base::kTableEntries && !child.valid())
        child = follow(at.shadow, at.level, at.next++);
    Counters::bump(counters_.entries_harvested, at.next - first);
    if (child.valid())
        harvest_.path[harvest_.depth++] = {.shadow = child, .level = at.level - 1, .next = 0};
    else
        --harvest_.depth;
}

/// The shadow that an upper entry leads to, if something below may have been written; its marks are turned into the next harvest's.
template <Host H> base::Mfn Paging<H>::follow(Mfn shadow, unsigned level, unsigned index) {
    auto place = slot(shadow, index);
    auto const entry = place.load();
    if (entry.empty() || entry.is_absent())
        return {};
    if (level < 4 && !protecting()) {
        if (entry.accessed() || entry.aged())
            place.turn_accessed_into_tag();
        else if (entry.tagged())
            place.clear_tag();
        else if (harvest_.phase != HarvestPhase::whole)
            return {};
    }
    return entry.frame();
}

/// Takes the D bits of an L1 shadow. Its table is locked.
template <Host H> void Paging<H>::collect(Mfn shadow) {
    unsigned left = page(shadow).held(), index = 0, found = 0;
    for (; index < base::kTableEntries && left > 0; ++index) {
        auto place = slot(shadow, index);
        auto const entry = place.load();
        if (entry.empty())
            continue;
        --left;
        if (!entry.dirty())
            continue;
        place.clear_dirty();
        ++found;
        if (entry.is_ram())
            host_.mark_dirty(entry.frame());
    }
    Counters::bump(counters_.entries_harvested, index);
    Counters::bump(counters_.leaves_harvested, found);
}

} // namespace shadow_pt
