/// Pins and roots: the uses of a table that are not an entry's.
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

template <Host H> base::Status Paging<H>::pin(unsigned level, base::Gfn gfn, Shadows shadows) {
    auto const target = TRY(translate_table(gfn));
    auto const table = target.frame;
    auto& frame = host_.frame(table);
    if (frame.word().use() == table_use(level) && frame.word().pinned()) {
        host_.release(table, target.kind);
        return refuse(Refusal::pinned_already, gfn);
    }
    auto const used = use_table(target, level, shadows);
    if (!used.ok()) {
        // A failed build leaves remains. The error is the answer, so they may outlive it (settle()).
        if (used.error() != base::Error::preempted)
            static_cast<void>(drain());
        return base::Err{used.error()};
    }
    if (frame.pin())
        return {};
    put_table(table, level); // another pin was faster
    return refuse(Refusal::pinned_already, gfn);
}

template <Host H> base::Status Paging<H>::unpin(base::Gfn gfn) {
    auto const target = TRY(translate_table(gfn));
    auto const word = host_.frame(target.frame).word();
    auto const status = is_table(word.use()) && word.pinned() ? leave(target.frame, table_level(word.use()), Unpin::yes)
                                                              : base::Status{refuse(Refusal::not_pinned, gfn)};
    host_.release(target.frame, target.kind);
    return status;
}

template <Host H> base::Result<Root> Paging<H>::acquire_root(base::Gfn gfn) {
    TRY(drain()); // what an earlier try has left
    auto const target = TRY(translate_table(gfn));
    auto const table = target.frame;
    auto const used = use_table(target, 4, Shadows::now);
    if (!used.ok()) {
        if (used.error() != base::Error::preempted)
            static_cast<void>(drain());
        return base::Err{used.error()};
    }
    // From here on its shadow, once there is one, stays: the use counts as a root (evict.hpp).
    auto& frame = host_.frame(table);
    bool const locked = frame.lock_table(4);
    ASSERT(locked);
    auto const ready = frame.link().valid() ? base::Status{} : materialize(table, 4);
    auto const shadow = frame.link();
    if (shadow.valid()) {
        page(shadow).set_new();
        if (tracking())
            remember_start(table);
    }
    frame.unlock_table();
    if (ready.ok())
        return Root{.table = table, .shadow = shadow};
    put_table(table, 4);
    static_cast<void>(drain());
    return base::Err{ready.error()};
}

template <Host H> base::Status Paging<H>::release_root(Root const& root) { return leave(root.table, 4, Unpin::no); }

template <Host H> base::Status Paging<H>::settle() { return drain(); }

template <Host H> base::Status Paging<H>::relinquish(base::Mfn table) {
    auto& frame = host_.frame(table);
    auto const word = frame.word();
    if (!is_table(word.use()))
        return {};
    auto const level = table_level(word.use());
    if (word.pinned())
        return leave(table, level, Unpin::yes);
    if (word.count() == 0 && frame.lock_table(level)) {
        if (frame.word().count() == 0)
            abandon(table);
        else
            frame.unlock_table();
    }
    return drain();
}

} // namespace shadow_pt
