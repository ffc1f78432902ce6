/// Faults, and the hypervisor's own accesses (SP-15 to SP-17; interim).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

template <Host H> void Paging<H>::mend_leaf(Location const& at, Access access) {
    auto const table = page(at.shadow).table();
    if (!table.valid() || !host_.frame(table).lock_table(1))
        return;
    auto const e = slot(at.shadow, at.index).load();
    auto const g = guest_slot(table, at.index).load();
    if (!e.empty() && g.present()) {
        auto const w = g.with(pte::kAccessed | (access.write && e.guest_write() ? pte::kDirty : 0));
        store(table, at.index, w);
        static_cast<void>(set_leaf(at.shadow, at.index, ShadowEntry::leaf(e.frame(), e.kind(), w, e.guest_write())));
    }
    host_.frame(table).unlock_table();
}

template <Host H> FaultAnswer Paging<H>::handle_fault(Root const& root, base::Vaddr address, std::uint32_t error_code) {
    auto const loc = descend(root, address);
    auto const at = loc.value();
    if (at.level != 1)
        return {FaultAction::reflect, error_code & ~1u};
    auto const e = slot(at.shadow, at.index).load();
    if (e.empty())
        return {FaultAction::reflect, error_code & ~1u};
    bool const write = (error_code & fault::kWrite) != 0;
    if (write && e.guest_write() && at.writable && !e.writable()) {
        mend_leaf(at, {.write = true});
        return {};
    }
    if (!e.present()) {
        mend_leaf(at, {});
        return {};
    }
    if (write && e.is_ram() && host_.frame(e.frame()).use() == Use::l1)
        return {FaultAction::emulate, error_code | 1};
    return {FaultAction::reflect, error_code | 1};
}

template <Host H> base::Result<Resolved> Paging<H>::resolve(Root const& root, base::Vaddr address, Access access) {
    auto const at = TRY(descend(root, address));
    if (at.level != 1)
        return base::Err{base::Error::bad_address};
    auto e = slot(at.shadow, at.index).load();
    if (e.empty() || (access.write && (!e.guest_write() || !at.writable)))
        return base::Err{base::Error::bad_address};
    if (!e.present() || (access.write && !e.writable())) {
        mend_leaf(at, access);
        e = slot(at.shadow, at.index).load();
    }
    if (e.kind() != TargetKind::device)
        TRY(host_.reference(e.frame()));
    if (access.write && e.is_ram())
        TRY(host_.frame(e.frame()).get_writable());
    return Resolved{.frame = e.frame(), .offset = address.offset(), .kind = e.kind(), .write = access.write};
}

template <Host H> void Paging<H>::done(Resolved const& p) {
    if (p.write && p.kind != TargetKind::device && p.kind != TargetKind::special) {
        host_.frame(p.frame).put_writable();
        host_.mark_dirty(p.frame);
    }
    host_.release(p.frame, p.kind);
}

} // namespace shadow_pt
