/// Changing entries: the guest's and the shadow's in one go, under the table's lock (SP-7, SP-8, SP-14, SP-16).
#pragma once

#include <utility>

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// Writes a word of a table whose lock is held. The frame is marked after the write (SP-21).
template <Host H> void Paging<H>::store(Mfn table, unsigned index, GuestEntry value) {
    guest_slot(table, index).store(value);
    host_.mark_dirty(table);
}

/// True if @p old may go on mapping its frame as @p value, which names it by the same number, wants. Losing rights is
/// always allowed, also where nobody could translate the entry again; for more of them the frame must be had anew (SP-14), which
/// is simple for the domain's own.
template <Host H> bool Paging<H>::keeps_frame(ShadowEntry old, GuestEntry value) {
    if (old.empty() || old.kind() == TargetKind::device)
        return false;
    bool const more = value.writable() && !old.guest_write();
    if (old.kind() != TargetKind::own)
        return !more;
    return more ? host_.translates(value.frame(), old.frame()) : host_.still_names(value.frame(), old.frame());
}

/// Changes one entry of the L1 @p table, which is locked. @p narrowed: a translation in TLBs may allow more than the new entry.
template <Host H> base::Status Paging<H>::change_leaf(Mfn table, unsigned index, Change const& wanted, bool& narrowed) {
    auto const before = guest_slot(table, index).load();
    auto value = wanted.value;
    if (wanted.mode == UpdateMode::preserve_ad && before.present())
        value = value.with(before.raw() & (pte::kAccessed | pte::kDirty));

    // A right that only this operation brings must be held by a shadow; it could not be found again (SP-10).
    bool const borrowed = value.present() && !(wanted.source == Source{});
    auto& frame = host_.frame(table);
    if (borrowed && !frame.link().valid()) {
        if (frame.word().partial())
            return refuse(Refusal::wrong_use, value.frame());
        TRY(materialize(table, 1));
    }

    auto const shadow = frame.link();
    bool const bare = frame.word().bare() && index < frame.word().cursor();
    auto const old = shadow.valid() ? slot(shadow, index).load() : bare ? leaf_by_word(before) : ShadowEntry{};
    bool const same = before.present() && value.present() && before.frame() == value.frame() && !borrowed;
    bool const keeps = same && value.acceptable(1, host_.rules({})) && keeps_frame(old, value);
    ShadowEntry fresh;
    if (keeps) {
        if (value.writable() && !old.guest_write())
            TRY(get_writable(old.frame(), value.frame()));
        fresh = ShadowEntry::leaf(old.frame(), old.kind(), value, value.writable());
    } else if (value.present()) {
        if (!same)
            value = value.with(pte::kAccessed);
        fresh = TRY(translate_leaf(value, wanted.source));
    }
    store(table, index, value);
    if (!shadow.valid() && !bare) { // a table in the making comes to this entry still
        give_back_leaf(fresh);
        return {};
    }
    auto gone = old;
    if (shadow.valid())
        gone = set_leaf(shadow, index, fresh);
    else
        leaf_changed(old, fresh);
    if (!keeps)
        give_back_leaf(gone);
    else if (gone.guest_write() && !fresh.guest_write() && gone.is_ram())
        host_.frame(gone.frame()).put_writable();
    bool const wrote = gone.writable() || (protecting() && gone.guest_write()); // a TLB may know of what was protected
    narrowed = gone.present() && (!fresh.present() || gone.frame() != fresh.frame() || (wrote && !fresh.writable()) ||
                                  (gone.executable() && !fresh.executable()));
    return {};
}

template <Host H>
base::Status Paging<H>::change_upper(Mfn table, unsigned level, unsigned index, Change const& wanted) {
    auto value = wanted.value;
    if (hypervisor_slot(level, index))
        return refuse(Refusal::hypervisor_slot, value.frame());
    if (value.present() && !value.acceptable(level, host_.rules({})))
        return refuse(Refusal::reserved_bits, value.frame());
    auto const before = guest_slot(table, index).load();
    if (wanted.mode == UpdateMode::preserve_ad && before.present())
        value = value.with(before.raw() & (pte::kAccessed | pte::kDirty));

    auto& frame = host_.frame(table);
    auto const shadow = frame.link();
    bool const bare = frame.word().bare() && index < frame.word().cursor();
    Mfn held;
    if (shadow.valid() && !slot(shadow, index).load().empty())
        held = child_of(slot(shadow, index).load());
    else if (bare)
        held = child_by_word(level, index, before);
    bool const same = value.present() && before.present() && before.frame() == value.frame() && held.valid() &&
                      host_.still_names(value.frame(), held);
    if (value.present() && !same)
        value = value.with(pte::kAccessed);

    // A table in the making looks itself at the entries that it has not come to; with a shadow, at each that is empty.
    bool const in_the_making = shadow.valid() ? frame.word().partial() : !bare;
    if (!value.present() || in_the_making) {
        if (value.present()) {
            auto const child = TRY(translate_table(value.frame()));
            host_.release(child.frame, child.kind);
        }
        store(table, index, value);
        if (shadow.valid() && held.valid())
            set_upper(shadow, level, index, ShadowEntry{});
        give_back_child(held, level - 1);
        if (shadow.valid())
            frame.revisit(index);
        return {};
    }

    auto work = Work::none;
    auto const child = same ? held : TRY(use_child(value, level, Shadows::now, work));
    store(table, index, value);
    if (shadow.valid())
        hook(shadow, level, index, child, value);
    if (!same)
        give_back_child(held, level - 1);
    return {};
}

/// The L1 that @p gfn is, locked; invalid if it is something else. It needs no reference: a table in use holds one to its own frame.
template <Host H> base::Mfn Paging<H>::lock_l1(Gfn gfn) {
    Mfn const table = host_.named_frame(gfn);
    if (!table.valid() || !host_.frame(table).lock_table(1))
        return {};
    if (host_.translates(gfn, table))
        return table;
    host_.frame(table).unlock_table(); // it had left the domain before it was locked
    return {};
}

/// Changes entries of the L1 @p table, which is locked: @p update, which is request @p done, and those that follow it in the same
/// table; @p done moves on.
template <Host H>
template <typename At>
base::Status Paging<H>::change_leaves(Mfn table, EntryUpdate update, At const& at, std::uint32_t count, Source source,
                                      std::uint32_t& done) {
    Change wanted{.value = {}, .source = source};
    auto const gfn = frame_of(update.where);
    do {
        wanted.value = GuestEntry{update.value};
        wanted.mode = update.mode;
        bool narrowed = false;
        TRY(change_leaf(table, update.index(), wanted, narrowed));
        if (++done == count)
            break;
        update = at(done);
    } while (frame_of(update.where) == gfn && update.aligned());
    return {};
}

/// Writes a word of a frame by what the frame is used for. `again`: it is an L1.
template <Host H> base::Status Paging<H>::write_word(EntryUpdate const& update, Source source) {
    auto const target = TRY(translate_table(frame_of(update.where)));
    auto const status = write_word_of(target.frame, update, source);
    host_.release(target.frame, target.kind);
    return status;
}

template <Host H> base::Status Paging<H>::write_word_of(Mfn where, EntryUpdate const& update, Source source) {
    Change const wanted{GuestEntry{update.value}, update.mode, source};
    auto& frame = host_.frame(where);
    for (;;) {
        auto const use = frame.use();
        if (use == Use::l1)
            return base::Err{base::Error::again};
        if (is_table(use)) {
            auto const level = table_level(use);
            if (!frame.lock_table(level))
                continue;
            auto const status = change_upper(where, level, update.index(), wanted);
            frame.unlock_table();
            if (!status.ok() && status.error() == base::Error::preempted)
                return status;
            auto const drained = drain();
            return status.ok() ? drained : status;
        }
        if (frame.get_writable().ok()) {
            store(where, update.index(), wanted.value);
            frame.put_writable();
            return drain(); // this may be the end of an update that was preempted when the frame was a table still
        }
        if (!is_table(frame.use()))
            return refuse(Refusal::wrong_use, wanted.value.frame());
    }
}

template <Host H>
template <std::invocable<std::uint32_t> At>
base::Status Paging<H>::update_entries(std::uint32_t count, At const& at, Source source, std::uint32_t& done) {
    for (done = 0; done < count;) {
        EntryUpdate const first = at(done);
        auto const gfn = frame_of(first.where);
        if (!first.aligned())
            return refuse(Refusal::misaligned, gfn);
        auto const before = done;
        if (auto const table = lock_l1(gfn); table.valid()) {
            auto const status = change_leaves(table, first, at, count, source, done);
            host_.frame(table).unlock_table();
            Counters::bump(counters_.entries_updated, done - before + (status.ok() ? 0 : 1));
            TRY(status);
        } else if (auto const status = write_word(first, source); status.ok() || status.error() != base::Error::again) {
            Counters::bump(counters_.entries_updated);
            TRY(status);
            ++done;
        }
        if (done < count && host_.should_yield())
            return base::Err{base::Error::preempted};
    }
    return {};
}

template <Host H>
base::Status Paging<H>::update_entry(base::Gaddr where, std::uint64_t value, UpdateMode mode, Source source) {
    std::uint32_t done = 0;
    auto const only = [&](std::uint32_t) { return EntryUpdate{.where = where, .value = value, .mode = mode}; };
    return update_entries(1, only, source, done);
}

template <Host H>
base::Status Paging<H>::update_va(Root const& root, base::Vaddr address, std::uint64_t value, FlushDebt& debt,
                                  Source source) {
    auto const [table, index] = TRY(lock_entry(root, address));
    typename FrameState::TableLock const lock{host_.frame(table)};
    Counters::bump(counters_.entries_updated);
    bool narrowed = false;
    TRY(change_leaf(table, index, Change{GuestEntry{value}, UpdateMode::normal, source}, narrowed));
    if (narrowed)
        debt.add_local_page(address);
    return {};
}

template <Host H>
template <std::invocable<std::uint64_t> Modify>
base::Status Paging<H>::emulate_store(Root const& root, base::Vaddr address, Modify&& modify) {
    auto const index = static_cast<unsigned>(address.offset() / sizeof(std::uint64_t));
    for (;;) {
        auto found = look_up(root, address, Access{});
        if (!store_to_table(found)) {
            auto const [verdict, at, leaf] = TRY(judge(root, address, Access{.write = true}, Devices::yes));
            if (verdict != Verdict::store_to_table)
                return base::Err{verdict == Verdict::allowed ? base::Error::preempted : base::Error::bad_address};
            found = {at.shadow, at.index, leaf, at.recycled, at.writable};
        }
        // Nobody can have made another domain's frame of it: this CPU has not flushed since it read the entry.
        auto const table = found.leaf.frame();
        auto& frame = host_.frame(table);
        if (!frame.lock_table(1))
            continue;
        typename FrameState::TableLock const lock{frame};
        if (slot(found.shadow, found.index).load().frame() != table || overtaken(found.recycled))
            continue;
        Counters::bump(counters_.stores_emulated);
        auto const before = guest_slot(table, index).load();
        GuestEntry const value{std::forward<Modify>(modify)(before.raw())};
        if (value == before)
            return {};
        bool narrowed = false;
        return change_leaf(table, index, Change{value, UpdateMode::normal, Source{}}, narrowed);
    }
}

} // namespace shadow_pt
