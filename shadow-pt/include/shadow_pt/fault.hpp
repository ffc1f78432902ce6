/// Faults: what the shadows say to an access, and the work that the guest never sees (SP-15, SP-16, SP-17).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// True if @p leaf maps an L1 table of the domain: then a store to it is emulated.
template <Host H> bool Paging<H>::is_l1(ShadowEntry leaf) {
    return leaf.kind() == TargetKind::own && host_.frame(leaf.frame()).use() == Use::l1;
}

/// True if a write to what look_up() found, for reading, is a store to an L1.
template <Host H> bool Paging<H>::store_to_table(Found const& found) {
    return !found.leaf.empty() && found.writable && is_l1(found.leaf) && !overtaken(found.recycled);
}

/// Decides about @p access by the shadows alone, doing what hidden faults ask for until the answer is plain.
template <Host H>
auto Paging<H>::judge(Root const& root, base::Vaddr address, Access access, Devices devices) -> base::Result<Judged> {
    if (!base::canonical(address))
        return Judged{Verdict::not_present, {}, {}};
    for (;;) {
        auto const at = TRY(descend(root, address));
        auto const leaf = at.level == 1 ? slot(at.shadow, at.index).load() : ShadowEntry{};
        auto const why = leaf.empty() ? why_empty(at) : Emptiness::not_present;
        if (overtaken(at))
            continue;
        if (leaf.empty()) {
            if (why == Emptiness::moved)
                continue;
            return Judged{why == Emptiness::refused ? Verdict::forbidden : Verdict::not_present, at, leaf};
        }
        // What the guest's entries forbid is the guest's own fault, at once, before its page is made young.
        if (access.write && !(at.writable && leaf.guest_write()))
            return Judged{at.writable && is_l1(leaf) ? Verdict::store_to_table : Verdict::forbidden, at, leaf};
        if (access.execute && !(at.executable && leaf.executable()))
            return Judged{Verdict::forbidden, at, leaf};
        if (devices == Devices::no && leaf.kind() == TargetKind::device)
            return Judged{Verdict::forbidden, at, leaf};
        if (leaf.present() && (!access.write || leaf.writable()))
            return Judged{Verdict::allowed, at, leaf};
        mend_leaf(at, access);
    }
}

/// A hidden fault: the guest's entry gets A, and D for a write, before the shadow's gets the permission. Does nothing
/// if the entry changed meanwhile.
template <Host H> void Paging<H>::mend_leaf(Location const& at, Access access) {
    auto const table = page(at.shadow).table();
    if (!table.valid() || !host_.frame(table).lock_table(1))
        return;
    typename FrameState::TableLock const lock{host_.frame(table)};
    auto const old = slot(at.shadow, at.index).load();
    if (host_.frame(table).link() != at.shadow || overtaken(at) || old.empty())
        return;

    auto guest = guest_slot(table, at.index);
    auto const found = guest.load();
    if (!found.present() || (access.write && !found.writable())) { // changed behind our back, by a device
        bool narrowed = false;
        if (!change_leaf(table, at.index, Change{.value = found}, narrowed).ok())
            give_back_leaf(set_leaf(at.shadow, at.index, ShadowEntry{}));
        return;
    }
    auto const young = found.with(pte::kAccessed | (access.write ? pte::kDirty : 0));
    if (!(young == found)) {
        if (!guest.replace(found, young))
            return;
        host_.mark_dirty(table);
    }
    auto const mended = ShadowEntry::leaf(old.frame(), old.kind(), young, old.guest_write());
    if (access.write && protecting())
        allow_write(table, at.index, mended);
    else
        set_leaf(at.shadow, at.index, mended);
    Counters::bump(counters_.hidden_faults);
}

template <Host H> FaultAnswer Paging<H>::handle_fault(Root const& root, base::Vaddr address, std::uint32_t error_code) {
    Access const access{.write = (error_code & fault::kWrite) != 0, .execute = (error_code & fault::kFetch) != 0};
    auto const clean = error_code & ~(fault::kProtection | fault::kReserved);
    constexpr auto kRefusedWrite = fault::kWrite | fault::kProtection;
    if ((error_code & kRefusedWrite) == kRefusedWrite && store_to_table(look_up(root, address, Access{})))
        return {.action = FaultAction::emulate, .error_code = clean | fault::kProtection};
    auto const judged = judge(root, address, access, Devices::yes);
    if (!judged.ok() && judged.error() == base::Error::preempted) {
        static_cast<void>(drain()); // a table that waits there is wanted again
        return {.action = FaultAction::retry};
    }
    if (!judged.ok())
        return {.action = FaultAction::stuck};

    switch (judged.value().verdict) {
    case Verdict::allowed: return {.action = FaultAction::retry};
    case Verdict::store_to_table: return {.action = FaultAction::emulate, .error_code = clean | fault::kProtection};
    case Verdict::not_present: break;
    case Verdict::forbidden:
        Counters::bump(counters_.guest_faults);
        return {.action = FaultAction::reflect, .error_code = clean | fault::kProtection};
    }
    Counters::bump(counters_.guest_faults);
    return {.action = FaultAction::reflect, .error_code = clean};
}

/// Looks for a leaf that allows @p access, as the MMU would: what most accesses find.
template <Host H> auto Paging<H>::look_up(Root const& root, base::Vaddr address, Access access) -> Found {
    Found found{.shadow = root.shadow, .recycled = recycled_.load(std::memory_order_acquire)};
    // What all entries allow: the bits that permit are all set, and the one that forbids is nowhere.
    std::uint64_t permitted = ~std::uint64_t{0};
    std::uint64_t forbidden = 0;
    auto const go_down = [&](unsigned level) {
        found.index = base::table_index(address, level);
        auto const entry = slot(found.shadow, found.index).load();
        permitted &= entry.raw();
        forbidden |= entry.raw();
        return entry;
    };
    for (unsigned const level : {4U, 3U, 2U}) {
        auto const entry = go_down(level);
        if (!entry.present())
            return found;
        found.shadow = entry.frame();
    }
    found.writable = (permitted & pte::kWrite) != 0;
    auto const leaf = go_down(1);
    auto const needed = pte::kPresent | (access.write ? pte::kWrite : 0);
    bool const allowed = (permitted & needed) == needed && !(access.execute && (forbidden & pte::kNoExecute) != 0);
    if (allowed && leaf.kind() != TargetKind::device && base::canonical(address))
        found.leaf = leaf;
    return found;
}

/// The same, doing the work of faults on the way. `bad_address`: the guest's own access would not be allowed.
template <Host H> auto Paging<H>::find(Root const& root, base::Vaddr address, Access access) -> base::Result<Found> {
    for (unsigned tries = 0;;) {
        if (auto const found = look_up(root, address, access); !found.leaf.empty())
            return found;
        auto const judged = judge(root, address, access, Devices::no);
        if (!judged.ok()) {
            // The caller may be in the middle of something, and can not begin again. What is locked elsewhere is soon free; what
            // is being given up elsewhere, the guest should not have named.
            if (judged.error() == base::Error::preempted && ++tries < kMostTries)
                continue;
            return base::Err{judged.error() == base::Error::preempted ? base::Error::bad_address : judged.error()};
        }
        auto const [verdict, at, leaf] = judged.value();
        if (verdict != Verdict::allowed)
            return base::Err{base::Error::bad_address};
        return Found{at.shadow, at.index, leaf, at.recycled, at.writable};
    }
}

template <Host H> base::Result<Resolved> Paging<H>::resolve(Root const& root, base::Vaddr address, Access access) {
    for (;;) {
        auto const [shadow, index, leaf, recycled, writable] = TRY(find(root, address, access));
        if (!host_.reference(leaf.frame()).ok())
            continue;
        bool const counted = access.write && leaf.is_ram();
        if (counted && !host_.frame(leaf.frame()).get_writable().ok()) {
            host_.release(leaf.frame(), leaf.kind());
            continue;
        }
        Resolved const held{leaf.frame(), address.offset(), leaf.kind(), access.write};
        auto const still = slot(shadow, index).load();
        if (still.present() && still.frame() == leaf.frame() && still.kind() == leaf.kind() &&
            (!access.write || still.writable()) && !overtaken(recycled))
            return held;
        if (counted)
            host_.frame(leaf.frame()).put_writable();
        host_.release(leaf.frame(), leaf.kind());
    }
}

template <Host H> void Paging<H>::done(Resolved const& held) {
    bool const counted = held.kind == TargetKind::own || held.kind == TargetKind::foreign;
    if (held.write && counted) {
        host_.mark_dirty(held.frame);
        host_.frame(held.frame).put_writable();
    }
    host_.release(held.frame, held.kind);
}

} // namespace shadow_pt
