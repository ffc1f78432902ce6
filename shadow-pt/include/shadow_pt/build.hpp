/// Building: a frame becomes a table, and gets its shadow, with all that lies below it (SP-6, SP-9, SP-10).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// One use more of @p target as a table of @p level; takes over its reference, whatever the answer.
template <Host H> auto Paging<H>::use_table(Target const& target, unsigned level, Depth depth) -> base::Result<Work> {
    auto const table = target.frame;
    auto& frame = host_.frame(table);
    auto const step = frame.get_table(level);
    if (step != TableStep::claimed) // then the reference becomes the table's own
        host_.release(table, target.kind);
    if (step == TableStep::done)
        return Work::none;
    if (step == TableStep::refused)
        return refuse(Refusal::wrong_use, target.shown);

    if (step == TableStep::claimed)
        retire_writers(frame);
    if (step == TableStep::build || depth == Depth::whole) {
        auto const status = build(table, level);
        if (!status.ok()) {
            if (status.error() != base::Error::preempted)
                abandon(table);
            return base::Err{status.error()};
        }
    }
    frame.built();
    return Work::some;
}

template <Host H>
base::Result<base::Mfn> Paging<H>::use_child(GuestEntry entry, unsigned level, Depth depth, Work& work) {
    auto const child = TRY(translate_table(entry.frame()));
    if (TRY(use_table(child, level - 1, depth)) == Work::some)
        work = Work::some;
    return child.frame;
}

/// Fills the shadow of @p table from its cursor on; the caller then says built(). REQUIRES: locked, partial. Answers
/// `preempted` with the table paused and unlocked; after any other error it is still locked. Without a page for a
/// shadow there is nothing to do: faults will bring it (SP-10).
template <Host H> base::Status Paging<H>::build(Mfn table, unsigned level) {
    auto& frame = host_.frame(table);
    if (!frame.link().valid()) {
        auto const shadow = host_.allocate_shadow();
        if (!shadow.ok()) {
            Counters::bump(counters_.tables_without_shadow);
            return {};
        }
        page(shadow.value()).begin(level, table);
        frame.set_link(shadow.value());
        Counters::bump(counters_.tables_built);
    }
    auto const shadow = frame.link();
    for (unsigned index = frame.word().cursor(); index < base::kTableEntries; ++index) {
        auto work = Work::none;
        auto const status = fill_slot(table, shadow, level, index, Depth::whole, work);
        if (!status.ok()) {
            if (status.error() == base::Error::preempted)
                frame.pause(index);
            return status;
        }
        if (work == Work::some && host_.should_yield()) {
            frame.pause(index + 1);
            return base::Err{base::Error::preempted};
        }
    }
    return {};
}

/// Translates one entry of a table that gets a shadow. What becomes present is young at once (SP-16).
template <Host H>
base::Status Paging<H>::fill_slot(Mfn table, Mfn shadow, unsigned level, unsigned index, Depth depth, Work& work) {
    if (hypervisor_slot(level, index) || !slot(shadow, index).load().empty())
        return {};
    auto const found = guest_slot(table, index).load();
    if (!found.present())
        return {};
    auto entry = found.with(pte::kAccessed);
    if (level == 1) {
        set_leaf(shadow, index, TRY(translate_leaf(entry, Source{})));
    } else {
        if (!entry.acceptable(level, host_.rules({})))
            return refuse(Refusal::reserved_bits, entry.frame());
        auto const child = TRY(use_child(entry, level, depth, work));
        set_upper(shadow, level, index, hook(level, child, entry));
    }
    if (!(entry == found))
        store(table, index, entry);
    return {};
}

/// Gives a ready table that has no shadow one, which fills one page: its children come by their own faults, and what
/// the guest's table says wrongly stays empty (SP-10). REQUIRES: locked, ready, no shadow.
template <Host H> base::Status Paging<H>::materialize(Mfn table, unsigned level) {
    auto const shadow = TRY(host_.allocate_shadow());
    page(shadow).begin(level, table);
    for (unsigned index = 0; index < base::kTableEntries; ++index) {
        auto work = Work::none;
        auto const status = fill_slot(table, shadow, level, index, Depth::itself, work);
        if (!status.ok() && status.error() == base::Error::preempted) {
            // Only a child that somebody else had begun to build can say so: it got further now.
            page(shadow).leave_table();
            remains_.push(shadow, page(shadow));
            return status;
        }
    }
    host_.frame(table).set_link(shadow);
    Counters::bump(counters_.tables_built);
    return {};
}

/// Undoes a build that failed. If somebody else's leaving was overtaken by it, that one goes on.
template <Host H> void Paging<H>::abandon(Mfn table) {
    auto& frame = host_.frame(table);
    detach(table);
    if (frame.word().count() > 0) {
        frame.pause(0);
        return;
    }
    frame.left();
    host_.release(table, TargetKind::own);
}

/// No TLB can write to @p frame any more when this returns (SP-6). REQUIRES: no entry can give it that right anew.
template <Host H> void Paging<H>::retire_writers(FrameState& frame) {
    auto const stamp = frame.stamp().load();
    if (host_.clock().is_safe(stamp))
        return;
    Counters::bump(counters_.flushes_for_tables);
    host_.retire(stamp);
}

} // namespace shadow_pt
