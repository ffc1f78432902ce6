/// The doors to the entries of shadows (SP-5): what an exchange of an entry brings with it, whoever makes it.
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

/// What follows from @p fresh standing where @p old stood, in an L1 of this domain. A mapping that goes, or gets narrower, is
/// stamped before what it held is given back, so that whoever finds the frame unused also finds the stamp (SP-2, SP-6).
template <Host H> void Paging<H>::leaf_changed(ShadowEntry old, ShadowEntry fresh) {
    bool const moved = old.frame() != fresh.frame() || fresh.empty();
    bool const narrowed = old.present() && (moved || !fresh.present() || (old.writable() && !fresh.writable()));
    if (narrowed && old.kind() != TargetKind::device)
        host_.clock().stamp(host_.frame(old.frame()).stamp());
    if (fresh.writes_foreign())
        host_.foreign_writer(fresh.frame(), true);
    if (old.writes_foreign())
        host_.foreign_writer(old.frame(), false);
}

/// Puts @p fresh into a slot of an L1 shadow; answers what was there, whose frame the caller gives back or keeps.
///
/// The one door for leaves. The exchange is atomic against the D that a processor sets. A D that goes is in the log
/// before the table's lock is dropped.
template <Host H> ShadowEntry Paging<H>::exchange_leaf(Mfn shadow, unsigned index, ShadowEntry fresh) {
    auto const old = slot(shadow, index).exchange(fresh);
    if (old.dirty() && old.is_ram())
        host_.mark_dirty(old.frame());
    if (old.empty() != fresh.empty() || old.lent() != fresh.lent()) {
        if (!old.empty())
            page(shadow).count_held(false, old.lent());
        if (!fresh.empty())
            page(shadow).count_held(true, fresh.lent());
    }
    if (!old.empty() || fresh.writes_foreign()) // else nothing follows
        leaf_changed(old, fresh);
    return old;
}

/// The same, for all but the first write to a page that is write-protected (write_protect.hpp).
template <Host H> ShadowEntry Paging<H>::set_leaf(Mfn shadow, unsigned index, ShadowEntry fresh) {
    return exchange_leaf(shadow, index, protecting() ? fresh.write_protected() : fresh);
}

/// The door above L1: answers the guest's table that was held there; invalid if none was. What is unhooked here is reused
/// only when every CPU has flushed (SP-11), so nothing is stamped.
template <Host H> auto Paging<H>::set_upper(Mfn shadow, unsigned level, unsigned index, ShadowEntry fresh) -> Mfn {
    auto const old = slot(shadow, index).exchange(fresh);
    if (level == 4)
        host_.root_entry_changed(shadow, index, fresh.present() ? fresh.raw() : 0);
    if (!fresh.empty())
        page(shadow).count_held(true, false);
    if (old.empty())
        return {};
    page(shadow).count_held(false, false);
    auto const child = child_of(old);
    if (!old.is_absent())
        page(old.frame()).count_hook(false); // from here on that page may be evicted
    return child;
}

/// Makes an upper entry lead to the guest's table @p child, which it holds, as the guest's @p entry allows; answers what was
/// held there before, as set_upper() does. REQUIRES: the shadow's table is locked, and @p child, whose level is one less.
template <Host H>
auto Paging<H>::hook_locked(Mfn shadow, unsigned level, unsigned index, Mfn child, GuestEntry entry) -> Mfn {
    auto const below = host_.frame(child).link();
    if (!below.valid())
        return set_upper(shadow, level, index, ShadowEntry::absent(level, child, entry));
    page(below).count_hook(true);
    return set_upper(shadow, level, index, ShadowEntry::upper(level, below, entry));
}

/// The same for who has not locked @p child.
template <Host H> auto Paging<H>::hook(Mfn shadow, unsigned level, unsigned index, Mfn child, GuestEntry entry) -> Mfn {
    bool const locked = host_.frame(child).lock_table(level - 1);
    ASSERT(locked);
    typename FrameState::TableLock const lock{host_.frame(child)};
    return hook_locked(shadow, level, index, child, entry);
}

template <Host H> void Paging<H>::give_back_leaf(ShadowEntry old) {
    if (old.empty() || old.kind() == TargetKind::device)
        return;
    if (old.guest_write() && old.is_ram())
        host_.frame(old.frame()).put_writable();
    host_.release(old.frame(), old.kind());
}

/// Gives back a use of the table @p child of @p level, by an entry that is gone; nothing if @p child is invalid.
template <Host H> void Paging<H>::give_back_child(Mfn child, unsigned level) {
    if (child.valid() && put_table(child, level) == TableStep::done)
        starts_at(child, level); // it lives on, and what was written through the old entry is found no other way
}

/// The guest's table that an upper entry holds. It is held, so its shadow still knows it.
template <Host H> base::Mfn Paging<H>::child_of(ShadowEntry entry) {
    return entry.is_absent() ? entry.frame() : page(entry.frame()).table();
}

/// One `writable` use of @p frame, which a guest's entry calls @p asked.
template <Host H> base::Status Paging<H>::get_writable(Mfn frame, Gfn asked) {
    if (host_.frame(frame).get_writable().ok())
        return {};
    static_cast<void>(refuse(Refusal::wrong_use, asked));
    return base::Err{base::Error::busy}; // as Xen, which could not take the page
}

/// A leaf for the present @p entry, holding what it names; @p entry becomes what the guest shall read back (SP-14).
template <Host H> base::Result<ShadowEntry> Paging<H>::translate_leaf(GuestEntry& entry, Source source) {
    auto const asked = entry.frame();
    if (!entry.acceptable(1, host_.rules(source)))
        return refuse(Refusal::reserved_bits, asked);
    auto const target = host_.translate(asked, Wanted{.write = entry.writable()}, source);
    if (!target.ok()) {
        static_cast<void>(refuse(Refusal::translation, asked));
        return base::Err{target.error()};
    }
    auto const [frame, kind, shown, read_only] = target.value();
    bool const write = entry.writable() && !read_only;
    bool const counted = kind == TargetKind::own || kind == TargetKind::foreign;
    if (write && counted) {
        if (auto const got = get_writable(frame, asked); !got.ok()) {
            host_.release(frame, kind);
            return base::Err{got.error()};
        }
    }
    entry = entry.with_frame(shown);
    return ShadowEntry::leaf(frame, kind, entry, write);
}

/// The frame that shall be, or is, a table: only a domain's own RAM can be one.
template <Host H> base::Result<Target> Paging<H>::translate_table(Gfn gfn) {
    auto const target = host_.translate(gfn, Wanted{}, Source{});
    if (!target.ok())
        return refuse(Refusal::translation, gfn);
    if (target.value().kind == TargetKind::own)
        return target;
    if (target.value().kind != TargetKind::device)
        host_.release(target.value().frame, target.value().kind);
    return refuse(Refusal::not_own_ram, gfn);
}

} // namespace shadow_pt
