/// Changing entries: the guest's and the shadow's in one go (SP-8; interim).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

template <Host H> void Paging<H>::store(Mfn table, unsigned index, GuestEntry value) {
    guest_slot(table, index).store(value);
}

template <Host H> base::Status Paging<H>::change_leaf(Mfn table, unsigned index, Change const& wanted, bool& narrowed) {
    auto entry = wanted.value;
    if (wanted.mode == UpdateMode::preserve_ad)
        entry = entry.with(guest_slot(table, index).load().raw() & (pte::kAccessed | pte::kDirty));
    ShadowEntry fresh{};
    if (entry.present()) {
        entry = entry.with(pte::kAccessed);
        fresh = TRY(translate_leaf(entry, wanted.source));
    }
    auto const old = set_leaf(host_.frame(table).link(), index, fresh);
    store(table, index, entry);
    narrowed = true;
    give_back_leaf(old);
    return {};
}

template <Host H>
base::Status Paging<H>::change_upper(Mfn table, unsigned level, unsigned index, Change const& wanted) {
    if (hypervisor_slot(level, index))
        return refuse(Refusal::hypervisor_slot, wanted.value.frame());
    auto entry = wanted.value;
    ShadowEntry fresh{};
    auto work = Work::none;
    if (entry.present()) {
        if (!entry.acceptable(level, host_.rules()))
            return refuse(Refusal::reserved_bits, entry.frame());
        entry = entry.with(pte::kAccessed);
        auto const child = TRY(use_child(entry, level, Depth::whole, work));
        fresh = hook(level, child, entry);
    }
    auto const old = set_upper(host_.frame(table).link(), level, index, fresh);
    store(table, index, entry);
    give_back_upper(old, level);
    return {};
}

template <Host H>
base::Status Paging<H>::change(Mfn table, unsigned level, unsigned index, Change const& wanted, bool& narrowed) {
    return level == 1 ? change_leaf(table, index, wanted, narrowed) : change_upper(table, level, index, wanted);
}

template <Host H>
base::Status Paging<H>::update_va(Root const& root, base::Vaddr address, std::uint64_t value, FlushDebt& debt,
                                  Source source) {
    auto const e = TRY(lock_entry(root, address));
    bool n = false;
    auto const s = change(e.table, 1, e.index, Change{.value = GuestEntry{value}, .source = source}, n);
    host_.frame(e.table).unlock_table();
    if (n)
        debt.add_local_page(address);
    return s;
}

template <Host H>
base::Status Paging<H>::update_entry(base::Gaddr where, std::uint64_t value, UpdateMode mode, Source source) {
    auto const t = TRY(host_.translate(frame_of(where), Wanted{}, Source{}));
    unsigned const index = static_cast<unsigned>(where.offset() / 8);
    base::Status s{};
    bool n = false;
    auto const use = host_.frame(t.frame).use();
    if (is_table(use)) {
        auto const level = table_level(use);
        if (!host_.frame(t.frame).lock_table(level))
            s = base::Status{base::Err{base::Error::invalid}};
        else {
            s = change(t.frame, level, index, Change{.value = GuestEntry{value}, .mode = mode, .source = source}, n);
            host_.frame(t.frame).unlock_table();
        }
    } else
        store(t.frame, index, GuestEntry{value});
    host_.release(t.frame, t.kind);
    if (s.ok())
        return drain();
    return s;
}

template <Host H>
template <std::invocable<std::uint64_t> Modify>
base::Status Paging<H>::emulate_store(Root const& root, base::Vaddr address, Modify&& modify) {
    auto const at = TRY(descend(root, address));
    if (at.level != 1)
        return base::Err{base::Error::invalid};
    auto const target = slot(at.shadow, at.index).load().frame();
    if (!host_.frame(target).lock_table(1))
        return base::Err{base::Error::invalid};
    unsigned const index = static_cast<unsigned>(address.offset() / 8);
    bool n = false;
    auto const s =
        change_leaf(target, index, Change{.value = GuestEntry{modify(guest_slot(target, index).load().raw())}}, n);
    host_.frame(target).unlock_table();
    return s;
}

} // namespace shadow_pt
