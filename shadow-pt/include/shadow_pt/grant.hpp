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

template <Host H>
base::Status Paging<H>::map_grant(EntryPlace const& place, Target target, std::uint64_t flags, FlushDebt& debt) {
    ASSERT(target.kind == TargetKind::foreign);
    auto const entry = GuestEntry{flags}.with(pte::kPresent | pte::kAccessed).with_frame(target.shown);
    if (!entry.acceptable(1, host_.rules({})))
        return refuse(Refusal::reserved_bits, target.shown);
    auto const [table, index] = TRY(lock_place(place));
    auto& frame = host_.frame(table);
    typename FrameState::TableLock const lock{frame};
    if (!frame.link().valid()) {
        if (frame.word().partial())
            return base::Err{base::Error::bad_address};
        TRY(materialize(table, 1));
    }
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

template <Host H> base::Status Paging<H>::unmap_grant(EntryPlace const& place, base::Mfn granted, FlushDebt& debt) {
    auto const [table, index] = TRY(lock_place(place));
    auto& frame = host_.frame(table);
    typename FrameState::TableLock const lock{frame};
    auto const shadow = frame.link();
    auto const old = shadow.valid() ? slot(shadow, index).load() : ShadowEntry{};
    if (old.empty() || old.kind() != TargetKind::foreign || old.frame() != granted)
        return base::Err{base::Error::bad_address};
    store(table, index, GuestEntry{});
    give_back_leaf(set_leaf(shadow, index, ShadowEntry{}));
    debt.add_all(FlushDebt::everyone()); // whatever other addresses lead to that table
    return {};
}

} // namespace shadow_pt
