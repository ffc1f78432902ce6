/// Page faults, and the hypervisor's own accesses to a guest's memory: both ask the shadow alone (SP-17).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// What the tables say to @p access at @p address.
template <Host H> auto Paging<H>::judge(Root const& root, base::Vaddr address, Access access) -> base::Result<Judged> {
    auto const at = TRY(descend(root, address));
    auto const leaf = at.level == 1 ? slot(at.shadow, at.index).load() : ShadowEntry{};
    auto const verdict = [&] {
        if (leaf.empty())
            return Verdict::not_present;
        if (access.execute && !(at.executable && leaf.executable()))
            return Verdict::forbidden;
        if (!access.write || (at.writable && leaf.guest_write()))
            return Verdict::allowed;
        bool const to_table = leaf.kind() == TargetKind::own && host_.frame(leaf.frame()).use() == Use::l1;
        return to_table ? Verdict::store_to_table : Verdict::forbidden;
    }();
    return Judged{.verdict = verdict, .at = at, .leaf = leaf};
}

/// Makes the leaf at @p at young, and for a write dirty: first in the guest's entry, then in the shadow (SP-15, SP-16).
/// REQUIRES: the access is allowed.
template <Host H> void Paging<H>::mend_leaf(Location const& at, Access access) {
    auto const table = page(at.shadow).table();
    if (!table.valid() || !host_.frame(table).lock_table(1))
        return; // torn meanwhile: the access is tried again
    auto const leaf = slot(at.shadow, at.index).load();
    auto const entry = guest_slot(table, at.index).load();
    bool const still = host_.frame(table).link() == at.shadow && !leaf.empty() && entry.present();
    if (still && (!access.write || leaf.guest_write())) {
        auto const marked = entry.with(pte::kAccessed | (access.write ? pte::kDirty : 0));
        if (!(marked == entry))
            store(table, at.index, marked);
        auto const fresh = ShadowEntry::leaf(leaf.frame(), leaf.kind(), marked, leaf.guest_write());
        if (fresh.raw() != (leaf.raw() & ~pte::kDirty))
            static_cast<void>(set_leaf(at.shadow, at.index, fresh));
    }
    host_.frame(table).unlock_table();
}

template <Host H> FaultAnswer Paging<H>::handle_fault(Root const& root, base::Vaddr address, std::uint32_t error_code) {
    Access const access{.write = (error_code & fault::kWrite) != 0, .execute = (error_code & fault::kFetch) != 0};
    auto const judged = judge(root, address, access);
    if (!judged.ok())
        return {.action = FaultAction::stuck, .error_code = error_code};
    // The guest's error code tells of the guest's own entries.
    auto const plain = error_code & ~(fault::kProtection | fault::kReserved);
    switch (judged.value().verdict) {
    case Verdict::not_present: Counters::bump(counters_.guest_faults); return {FaultAction::reflect, plain};
    case Verdict::forbidden:
        Counters::bump(counters_.guest_faults);
        return {FaultAction::reflect, plain | fault::kProtection};
    case Verdict::store_to_table: return {FaultAction::emulate, plain | fault::kProtection};
    case Verdict::allowed: break;
    }
    auto const& leaf = judged.value().leaf;
    if (!leaf.present() || (access.write && !leaf.writable())) {
        Counters::bump(counters_.hidden_faults);
        mend_leaf(judged.value().at, access);
    }
    return {.action = FaultAction::retry, .error_code = 0};
}

template <Host H> base::Result<Resolved> Paging<H>::resolve(Root const& root, base::Vaddr address, Access access) {
    for (;;) {
        auto const judged = judge(root, address, access);
        if (!judged.ok() || judged.value().verdict != Verdict::allowed)
            return base::Err{base::Error::bad_address};
        auto const [verdict, at, leaf] = judged.value();
        if (!leaf.present() || (access.write && !leaf.writable())) {
            mend_leaf(at, access);
            continue;
        }
        // Devices are not read on a guest's behalf: a read there has effects.
        if (leaf.kind() == TargetKind::device)
            return base::Err{base::Error::bad_address};
        if (!host_.reference(leaf.frame()).ok())
            continue; // it went at this moment
        // The reference is of the right frame only if the entry still stood when it was taken.
        bool const still = slot(at.shadow, at.index).load().frame() == leaf.frame();
        bool const held = still && (!access.write || !leaf.is_ram() || host_.frame(leaf.frame()).get_writable().ok());
        if (held)
            return Resolved{
                .frame = leaf.frame(), .offset = address.offset(), .kind = leaf.kind(), .write = access.write};
        host_.release(leaf.frame(), leaf.kind());
    }
}

template <Host H> void Paging<H>::done(Resolved const& page) {
    bool const ram = page.kind == TargetKind::own || page.kind == TargetKind::foreign;
    if (page.write && ram) {
        host_.mark_dirty(page.frame);
        host_.frame(page.frame).put_writable();
    }
    host_.release(page.frame, page.kind);
}

} // namespace shadow_pt
