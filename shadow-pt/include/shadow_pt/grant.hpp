/// Entries that map a grant (docs/abi.md §6.2, SP-14): written by the hypervisor, and held by the shadow alone.
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// Locks the L1 of @p place; `bad_address` if there is none.
template <Host H> auto Paging<H>::lock_place(EntryPlace const& place) -> base::Result<LockedEntry> {
    if (place.root != nullptr) {
        auto const found = lock_entry(*place.root, place.address);
        if (found.ok() || found.error() != base::Error::invalid)
            return found;
        return base::Err{base::Error::bad_address};
    }
    auto const target = translate_table(frame_of(place.entry));
    if (!target.ok() || place.entry.offset() % sizeof(std::uint64_t) != 0) {
        if (target.ok())
            host_.release(target.value().frame, target.value().kind);
        return base::Err{base::Error::bad_address};
    }
    auto const table = target.value().frame;
    bool const locked = host_.frame(table).lock_table(1);
    host_.release(table, target.value().kind); // a locked table keeps its own reference
    if (!locked)
        return base::Err{base::Error::bad_address};
    return LockedEntry{table, static_cast<unsigned>(place.entry.offset() / sizeof(std::uint64_t))};
}

/// Gives the locked L1 @p table a shadow, if it has none; `bad_address` while it is being built; `no_memory`, `preempted`.
template <Host H> base::Status Paging<H>::have_shadow(Mfn table) {
    auto const& frame = host_.frame(table);
    if (frame.link().valid())
        return {};
    if (frame.word().partial())
        return base::Err{base::Error::bad_address};
    return materialize(table, 1);
}

template <Host H>
base::Status Paging<H>::map_grant(EntryPlace const& place, Target target, std::uint64_t flags, FlushDebt& debt) {
    ASSERT(target.kind == TargetKind::foreign);
    auto const entry = GuestEntry{flags}.with(pte::kPresent | pte::kAccessed).with_frame(target.shown);
    if (!entry.acceptable(1, host_.rules({})))
        return refuse(Refusal::reserved_bits, target.shown);
    auto const [table, index] = TRY(lock_place(place));
    auto& frame = host_.frame(table);
    typename FrameState::TableLock const lock{frame};
    TRY(have_shadow(table));
    bool const write = entry.writable() && !target.read_only;
    if (write && !host_.frame(target.frame).get_writable().ok())
        return refuse(Refusal::wrong_use, target.shown);
    store(table, index, entry);
    auto const gone = set_leaf(frame.link(), index, ShadowEntry::leaf(target.frame, target.kind, entry, write));
    give_back_leaf(gone);
    if (!gone.empty())
        debt.add_all(FlushDebt::everyone());
    return {};
}

/// Takes the entry for @p address out of its table: the guest's word, and the shadow's entry with all that it holds.
template <Host H> auto Paging<H>::take_entry(Root const& root, base::Vaddr address) -> base::Result<TakenEntry> {
    auto const [table, index] = TRY(lock_place(EntryPlace::at_address(root, address)));
    auto& frame = host_.frame(table);
    typename FrameState::TableLock const lock{frame};
    TRY(have_shadow(table));
    auto const value = guest_slot(table, index).load();
    store(table, index, GuestEntry{});
    return TakenEntry{value, set_leaf(frame.link(), index, ShadowEntry{})};
}

/// Puts @p entry at @p place, if @p fits(the shadow's entry there, the guest's).
template <Host H>
template <std::predicate<ShadowEntry, GuestEntry> Fits>
base::Status Paging<H>::put_entry(EntryPlace const& place, TakenEntry const& entry, Fits&& fits) {
    auto const [table, index] = TRY(lock_place(place));
    auto& frame = host_.frame(table);
    typename FrameState::TableLock const lock{frame};
    TRY(have_shadow(table));
    auto const shadow = frame.link();
    if (!fits(slot(shadow, index).load(), guest_slot(table, index).load()))
        return base::Err{base::Error::bad_address};
    store(table, index, entry.value);
    give_back_leaf(set_leaf(shadow, index, entry.shadow));
    return {};
}

/// The same, if what is there maps @p granted as a grant.
template <Host H>
base::Status Paging<H>::replace_granted(EntryPlace const& place, TakenEntry const& entry, base::Mfn granted) {
    return put_entry(place, entry, [&](ShadowEntry old, GuestEntry) {
        return !old.empty() && old.kind() == TargetKind::foreign && old.frame() == granted;
    });
}

template <Host H> base::Status Paging<H>::unmap_grant(EntryPlace const& place, base::Mfn granted, FlushDebt& debt) {
    TRY(replace_granted(place, {}, granted));
    debt.add_all(FlushDebt::everyone()); // whatever other addresses lead to that table
    return {};
}

template <Host H>
base::Status Paging<H>::replace_grant(EntryPlace const& place, base::Mfn granted, Root const& root, base::Vaddr donor,
                                      FlushDebt& debt) {
    auto const taken = TRY(take_entry(root, donor));
    auto const put = replace_granted(place, taken, granted);
    // Back to where it was, unless somebody has put another one there meanwhile.
    auto const nothing = [](ShadowEntry old, GuestEntry value) { return old.empty() && !value.present(); };
    if (!put.ok() && !put_entry(EntryPlace::at_address(root, donor), taken, nothing).ok())
        give_back_leaf(taken.shadow);
    debt.add_all(FlushDebt::everyone());
    return put;
}

} // namespace shadow_pt
