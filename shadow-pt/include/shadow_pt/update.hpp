/// Changing entries: the guest's and the shadow's in one go, under the table's lock (SP-8).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

template <Host H> void Paging<H>::store(Mfn table, unsigned index, GuestEntry value) {
    guest_slot(table, index).store(value);
    host_.mark_dirty(table);
}

/// An entry made by another's right (a grant, a foreign mapping) can be kept with no more rights than it has: nobody can
/// translate it again (SP-14). Holds what the fresh entry needs; nothing if @p wanted is no such case.
template <Host H>
std::optional<ShadowEntry> Paging<H>::keep_lent(ShadowEntry old, GuestEntry before, GuestEntry wanted) {
    bool const same = old.lent() && old.kind() == TargetKind::foreign && before.frame() == wanted.frame();
    if (!same || (wanted.writable() && !old.guest_write()))
        return std::nullopt;
    // The old entry's references are still held: these cannot fail.
    if (!host_.reference(old.frame()).ok())
        return std::nullopt;
    if (wanted.writable() && !host_.frame(old.frame()).get_writable().ok()) {
        host_.release(old.frame(), old.kind());
        return std::nullopt;
    }
    return ShadowEntry::leaf(old.frame(), old.kind(), wanted, wanted.writable());
}

/// REQUIRES: @p table is a locked L1. @p narrowed: some right is gone that a TLB may still give.
template <Host H> base::Status Paging<H>::change_leaf(Mfn table, unsigned index, Change const& wanted, bool& narrowed) {
    auto const shadow = host_.frame(table).link();
    auto const before = guest_slot(table, index).load();
    auto entry = wanted.value;
    if (wanted.mode == UpdateMode::preserve_ad && entry.present())
        entry = entry.with(before.raw() & (pte::kAccessed | pte::kDirty));
    // Only an A that the guest clears of an entry that stays is a question; any other present entry is young (SP-16).
    bool const made_old = before.present() && before.frame() == entry.frame() && before.accessed() && !entry.accessed();
    bool const stays_old = before.present() && before.frame() == entry.frame() && !before.accessed();
    if (entry.present() && !made_old && !stays_old)
        entry = entry.with(pte::kAccessed);

    ShadowEntry fresh{};
    if (entry.present()) {
        auto const old = shadow.valid() ? slot(shadow, index).load() : ShadowEntry{};
        auto const kept = wanted.source == Source{} ? keep_lent(old, before, entry) : std::nullopt;
        fresh = kept ? *kept : TRY(translate_leaf(entry, wanted.source));
    }
    Counters::bump(counters_.entries_updated);
    if (!shadow.valid()) { // no page for one: a fault will bring it
        store(table, index, entry);
        give_back_leaf(fresh);
        return {};
    }
    auto const old = set_leaf(shadow, index, fresh);
    store(table, index, entry);
    narrowed = narrowed || (old.present() && old.raw() != fresh.raw());
    give_back_leaf(old);
    return {};
}

/// REQUIRES: @p table is a locked table of @p level, above L1.
template <Host H>
base::Status Paging<H>::change_upper(Mfn table, unsigned level, unsigned index, Change const& wanted) {
    if (hypervisor_slot(level, index))
        return refuse(Refusal::hypervisor_slot, wanted.value.frame());
    auto entry = wanted.value;
    auto const shadow = host_.frame(table).link();
    ShadowEntry fresh{};
    if (entry.present()) {
        if (!entry.acceptable(level, host_.rules()))
            return refuse(Refusal::reserved_bits, entry.frame());
        entry = entry.with(pte::kAccessed);
        auto work = Work::none;
        auto const child = TRY(use_child(entry, level, Depth::whole, work));
        fresh = hook(level, child, entry);
    }
    Counters::bump(counters_.entries_updated);
    auto const old = set_upper(shadow, level, index, fresh);
    store(table, index, entry);
    give_back_upper(old, level);
    return {};
}

template <Host H>
base::Status Paging<H>::change(Mfn table, unsigned level, unsigned index, Change const& wanted, bool& narrowed) {
    if (level == 1)
        return change_leaf(table, index, wanted, narrowed);
    if (!host_.frame(table).link().valid())
        TRY(materialize(table, level));
    return change_upper(table, level, index, wanted);
}

/// A word of a frame that is no table: plain memory, held as such while it is written.
template <Host H> base::Status Paging<H>::write_word(Mfn frame, unsigned index, Change const& wanted) {
    if (!host_.frame(frame).get_writable().ok())
        return refuse(Refusal::wrong_use, wanted.value.frame());
    store(frame, index, wanted.value);
    host_.frame(frame).put_writable();
    return {};
}

template <Host H>
base::Status Paging<H>::update_va(Root const& root, base::Vaddr address, std::uint64_t value, FlushDebt& debt,
                                  Source source) {
    auto const at = TRY(lock_entry(root, address));
    bool narrowed = false;
    auto const status = change_leaf(at.table, at.index, Change{.value = GuestEntry{value}, .source = source}, narrowed);
    host_.frame(at.table).unlock_table();
    if (narrowed)
        debt.add_local_page(address); // SP-6: so that a pin seldom needs an IPI
    return status;
}

template <Host H>
base::Status Paging<H>::update_entry(base::Gaddr where, std::uint64_t value, UpdateMode mode, Source source) {
    if (where.raw() % sizeof value != 0)
        return refuse(Refusal::misaligned, frame_of(where));
    auto const target = TRY(translate_table(frame_of(where)));
    auto& frame = host_.frame(target.frame);
    auto const index = static_cast<unsigned>(where.offset() / sizeof value);
    Change const wanted{.value = GuestEntry{value}, .mode = mode, .source = source};
    bool narrowed = false; // whoever wants a flush asks for it; the stamps remember
    auto status = [&]() -> base::Status {
        for (;;) {
            auto const use = frame.use();
            if (!is_table(use))
                return write_word(target.frame, index, wanted);
            if (!frame.lock_table(table_level(use)))
                continue;
            // A table that is being built or torn: its builder will read what stands in the guest's.
            auto const done = change(target.frame, table_level(use), index, wanted, narrowed);
            frame.unlock_table();
            return done;
        }
    }();
    host_.release(target.frame, target.kind);
    TRY(status);
    return drain();
}

template <Host H>
template <std::invocable<std::uint64_t> Modify>
base::Status Paging<H>::emulate_store(Root const& root, base::Vaddr address, Modify&& modify) {
    auto const at = TRY(descend(root, address));
    auto const leaf = at.level == 1 ? slot(at.shadow, at.index).load() : ShadowEntry{};
    if (leaf.empty() || leaf.kind() != TargetKind::own)
        return base::Err{base::Error::invalid};
    auto const table = leaf.frame();
    // Counted while it is looked at: the mapping may go at this moment, and its frame with it.
    TRY(host_.reference(table));
    base::Status status{base::Err{base::Error::invalid}};
    if (slot(at.shadow, at.index).load().frame() == table && host_.frame(table).lock_table(1)) {
        Counters::bump(counters_.stores_emulated);
        auto const index = static_cast<unsigned>(address.offset() / sizeof(std::uint64_t));
        GuestEntry const value{modify(guest_slot(table, index).load().raw())};
        bool narrowed = false;
        status = change_leaf(table, index, Change{.value = value}, narrowed);
        host_.frame(table).unlock_table();
    }
    host_.release(table, TargetKind::own);
    return status;
}

} // namespace shadow_pt
