/// Leaving: the last use of a table goes, and what its shadow held is given back (SP-9, SP-11).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// Takes the shadow away from @p table: it becomes remains. REQUIRES: locked; no entry leads to it.
template <Host H> void Paging<H>::detach(Mfn table) {
    auto& frame = host_.frame(table);
    auto const shadow = frame.link();
    if (!shadow.valid())
        return;
    frame.clear_link();
    page(shadow).leave_table();
    remains_.push(shadow, page(shadow));
}

/// One use less, by an entry that is gone. If it was the last, the table is none at once, or, if it is bare, as soon as what it
/// holds is given back; drain() does the rest. Answers `done` if others use it still.
template <Host H> TableStep Paging<H>::put_table(Mfn table, unsigned level) {
    auto& frame = host_.frame(table);
    auto const step = frame.put_table(level);
    if (step == TableStep::done)
        return step;
    if (frame.word().bare()) {
        remains_.push_bare(table, frame);
        frame.pause(frame.word().cursor());
        return step;
    }
    detach(table);
    frame.left();
    host_.release(table, TargetKind::own);
    return step;
}

/// One use less, by a pin or a root. Remains are drained before the count moves, never after, so that the operation can
/// be continued by calling it again: the last use stays counted until all that it kept is given back.
template <Host H> base::Status Paging<H>::leave(Mfn table, unsigned level, Unpin unpin) {
    auto& frame = host_.frame(table);
    for (;;) {
        TRY(drain());
        auto const step = frame.put_table(level, unpin);
        if (step != TableStep::last)
            return {}; // others use it still; or refused: another unpin was faster
        if (frame.word().bare()) {
            give_back_words(table);
        } else if (frame.link().valid()) {
            detach(table);
        } else {
            frame.left();
            host_.release(table, TargetKind::own);
            return {};
        }
        frame.pause(0);
    }
}

/// Gives back what one shadow page of the remains held, and the page.
template <Host H> void Paging<H>::tear(Mfn shadow) {
    auto const level = page(shadow).level();
    for (unsigned index = 0; page(shadow).held() > 0; ++index) {
        ASSERT(index < base::kTableEntries);
        if (slot(shadow, index).load().empty())
            continue;
        if (level == 1)
            give_back_leaf(set_leaf(shadow, index, ShadowEntry{}));
        else
            give_back_child(set_upper(shadow, level, index, ShadowEntry{}), level - 1);
    }
    page(shadow).end();
    Counters::bump(counters_.tables_torn);
    host_.free_shadow(shadow, host_.clock().now());
}

/// Gives back the use of a bare table that the remains have. It may have found other users since.
template <Host H> void Paging<H>::tear_bare(Mfn table) {
    auto& frame = host_.frame(table);
    auto const use = frame.use();
    if (!is_table(use) || !frame.lock_table(table_level(use)))
        return; // another CPU was faster
    auto const level = table_level(use);
    bool const taken = remains_.take_bare(table, frame);
    frame.unlock_table();
    if (!taken)
        return;
    if (frame.put_table(level) == TableStep::last) {
        if (frame.word().bare())
            give_back_words(table);
        else
            detach(table);
        frame.left();
        host_.release(table, TargetKind::own);
    }
    remains_.finished();
}

/// Tears remains until there are none, other CPUs' included: then whatever was kept by them alone is free for any use.
template <Host H> base::Status Paging<H>::drain() {
    while (!remains_.none()) {
        if (auto const shadow = remains_.take([&](Mfn one) { return page(one); }); shadow.valid()) {
            tear(shadow);
            remains_.finished();
        } else if (auto const table = remains_.last_bare(); table.valid()) {
            tear_bare(table);
        } else {
            __builtin_ia32_pause(); // another CPU tears the last one
        }
        if (!remains_.none() && host_.should_yield())
            return base::Err{base::Error::preempted};
    }
    return {};
}

} // namespace shadow_pt
