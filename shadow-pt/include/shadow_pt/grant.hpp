/// Entries made by grants (SP-14).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

template <Host H> auto Paging<H>::lock_place(EntryPlace const& place) -> base::Result<LockedEntry> {
    if (place.root != nullptr)
        return lock_entry(*place.root, place.address);
    auto const target = TRY(translate_table(frame_of(place.entry)));
    bool const locked = place.entry.offset() % 8 == 0 && host_.frame(target.frame).lock_table(1);
    host_.release(target.frame, target.kind);
    if (!locked)
        return base::Err{base::Error::bad_address};
    auto& frame = host_.frame(target.frame);
    if (!frame.link().valid() && !materialize(target.frame, 1).ok()) { // the pool may have been full (SP-10)
        frame.unlock_table();
        return base::Err{base::Error::no_memory};
    }
    return LockedEntry{.table = target.frame, .index = static_cast<unsigned>(place.entry.offset() / 8)};
}

template <Host H>
base::Status Paging<H>::map_grant(EntryPlace const& place, Target target, std::uint64_t flags, FlushDebt& debt) {
    auto const at = lock_place(place);
    if (!at.ok())
        return base::Err{base::Error::bad_address};
    auto const [table, index] = at.value();
    GuestEntry const entry = GuestEntry{flags}.with_frame(target.shown);
    bool const write = entry.writable();
    if (write && !host_.frame(target.frame).get_writable().ok()) {
        host_.frame(table).unlock_table();
        return refuse(Refusal::wrong_use, target.shown);
    }
    auto const old =
        set_leaf(host_.frame(table).link(), index, ShadowEntry::leaf(target.frame, target.kind, entry, write));
    store(table, index, entry);
    host_.frame(table).unlock_table();
    if (!old.empty())
        debt.add_all(FlushDebt::everyone());
    give_back_leaf(old);
    return {};
}

template <Host H> base::Status Paging<H>::unmap_grant(EntryPlace const& place, base::Mfn frame, FlushDebt& debt) {
    auto const at = lock_place(place);
    if (!at.ok())
        return base::Err{base::Error::bad_address};
    auto const [table, index] = at.value();
    auto const shadow = host_.frame(table).link();
    auto const mapped = slot(shadow, index).load();
    bool const is_grant = !mapped.empty() && mapped.kind() == TargetKind::foreign && mapped.frame() == frame;
    if (is_grant) {
        static_cast<void>(set_leaf(shadow, index, ShadowEntry{}));
        store(table, index, GuestEntry{});
    }
    host_.frame(table).unlock_table();
    if (!is_grant)
        return base::Err{base::Error::bad_address};
    debt.add_all(FlushDebt::everyone());
    give_back_leaf(mapped);
    return {};
}

} // namespace shadow_pt
