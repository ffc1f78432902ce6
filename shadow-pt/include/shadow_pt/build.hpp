/// Building: a frame becomes a table, and gets its shadow, with all that lies below it (SP-6, SP-9, SP-10).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// One use more of @p target as a table of @p level; takes over its reference, whatever the answer.
template <Host H>
auto Paging<H>::use_table(Target const& target, unsigned level, Shadows shadows) -> base::Result<Work> {
    auto const table = target.frame;
    auto& frame = host_.frame(table);
    auto const step = frame.get_table(level);
    if (step != TableStep::claimed) // then the reference becomes the table's own
        host_.release(table, target.kind);
    if (step == TableStep::done)
        return Work::none;
    if (step == TableStep::refused)
        return refuse(Refusal::wrong_use, target.shown);

    if (step == TableStep::claimed) {
        host_.became_table(target.shown);
        retire_writers(frame);
    }
    if (step == TableStep::claimed && level == 1 && shadows == Shadows::later) {
        become_bare(table, 0);
        Counters::bump(counters_.tables_unread);
        frame.built(0);
        return Work::some;
    }
    if (step == TableStep::build && frame.word().queued() && frame.word().cursor() == 0) {
        frame.built(0); // an unread L1 that was to be given up: what it says is nobody's concern still
        return Work::none;
    }
    auto const status = build(table, level, shadows);
    if (!status.ok()) {
        if (status.error() != base::Error::preempted)
            abandon(table);
        return base::Err{status.error()};
    }
    frame.built();
    return Work::some;
}

template <Host H>
base::Result<base::Mfn> Paging<H>::use_child(GuestEntry entry, unsigned level, Shadows shadows, Work& work) {
    auto const child = TRY(translate_table(entry.frame()));
    if (TRY(use_table(child, level - 1, shadows)) == Work::some)
        work = Work::some;
    return child.frame;
}

/// Takes what the entries of @p table name, from its cursor on, into its shadow; the caller then says built(). REQUIRES:
/// locked, partial. Answers `preempted` with the table paused and unlocked; after any other error it is still locked. A table
/// for whose shadow no page is free, or wanted, holds the same as a bare one; a fault will bring the shadow (SP-10, SP-23).
template <Host H> base::Status Paging<H>::build(Mfn table, unsigned level, Shadows shadows) {
    auto& frame = host_.frame(table);
    if (!frame.link().valid() && !frame.word().bare()) {
        auto const shadow = shadows == Shadows::now ? host_.allocate_shadow() : base::Err{base::Error::no_memory};
        if (shadow.ok()) {
            page(shadow.value()).begin(level, table);
            frame.set_link(shadow.value());
            Counters::bump(counters_.tables_built);
        } else {
            become_bare(table, 0);
            Counters::bump(counters_.tables_without_shadow);
        }
    }
    auto const shadow = frame.link();
    for (unsigned index = frame.word().cursor(); index < base::kTableEntries; ++index) {
        if (!guest_slot(table, index).load().present())
            continue; // most are not
        auto work = Work::none;
        auto const status = take_entry_in(table, shadow, level, index, shadows, work);
        if (!status.ok()) {
            if (status.error() == base::Error::preempted)
                frame.pause(index);
            else
                frame.set_cursor(index);
            return status;
        }
        if (work == Work::some && host_.should_yield()) {
            frame.pause(index + 1);
            return base::Err{base::Error::preempted};
        }
    }
    return {};
}

/// Takes what one entry of a table that is being built names, into @p shadow if there is one. What becomes present is young
/// at once (SP-16).
template <Host H>
base::Status Paging<H>::take_entry_in(Mfn table, Mfn shadow, unsigned level, unsigned index, Shadows shadows,
                                      Work& work) {
    if (hypervisor_slot(level, index) || (shadow.valid() && !slot(shadow, index).load().empty()))
        return {};
    auto const found = guest_slot(table, index).load();
    if (!found.present())
        return {};
    auto entry = found.with(pte::kAccessed);
    if (level == 1) {
        auto const leaf = TRY(translate_leaf(entry, Source{}));
        if (shadow.valid())
            set_leaf(shadow, index, leaf);
    } else {
        if (!entry.acceptable(level, host_.rules({})))
            return refuse(Refusal::reserved_bits, entry.frame());
        auto const child = TRY(use_child(entry, level, shadows, work));
        if (shadow.valid())
            hook(shadow, level, index, child, entry);
    }
    if (!(entry == found))
        store(table, index, entry);
    return {};
}

/// Undoes a build that failed. If somebody else's leaving was overtaken by it, that one goes on.
template <Host H> void Paging<H>::abandon(Mfn table) {
    auto& frame = host_.frame(table);
    if (frame.word().bare())
        give_back_words(table);
    else
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
