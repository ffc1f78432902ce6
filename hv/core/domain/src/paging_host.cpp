#include "domain/paging_host.hpp"

#include "arch/cpu.hpp"
#include "domain/domain.hpp"
#include "domain/preemption.hpp"
#include "domain/system.hpp"
#include "domain/trace.hpp"

namespace domain {

using base::Err;
using base::Error;
using base::Gfn;
using base::Mfn;
using base::Result;
using shadow_pt::Target;
using shadow_pt::TargetKind;

PagingHost::PagingHost(System& system, Domain& domain)
    : system_{system}, domain_{domain}, pool_{system.allocator, system.flush_clock} {}

/// The domain whose log hears of @p frame; null if nobody's is kept.
Domain* PagingHost::owner_of(Mfn frame) const {
    auto const id = system_.frames.info(frame).owner_id();
    Domain* const owner = id == domain_.id ? &domain_ : system_.find(id);
    return owner != nullptr && owner->log.on() ? owner : nullptr;
}

std::uint64_t* PagingHost::table(Mfn frame) { return arch::frame_as<std::uint64_t>(frame); }

shadow_pt::FrameState& PagingHost::frame(Mfn frame) { return system_.frames.info(frame).state; }

Result<Target> PagingHost::translate_device(Gfn gfn) {
    // Only who numbers frames as the machine does can name a device.
    if (domain_.translated() || !domain_.privileged)
        return Err{Error::not_permitted};
    Mfn const mfn{gfn.raw()};
    if (!system_.is_device(mfn))
        return Err{Error::not_permitted};
    return Target{.frame = mfn, .kind = TargetKind::device, .shown = gfn};
}

/// What is not in the domain's map.
Result<Target> PagingHost::translate_unmapped(Gfn gfn) {
    // Special pages of a direct domain have their machine frames as numbers; of a translated one, gfns in the map.
    Mfn const mfn{gfn.raw()};
    if (!domain_.translated() && system_.frames.valid(mfn)) {
        auto taken = system_.frames.take(mfn, domain_.id);
        if (taken && taken.value().info().special())
            return Target{.frame = std::move(taken).value().release(), .kind = TargetKind::special, .shown = gfn};
    }
    if (!domain_.translated() && system_.is_ram(mfn))
        return Err{Error::busy}; // somebody else's: what Xen answers when it cannot take a page
    return translate_device(gfn);
}

/// Read only, and nobody's to give back: as a device's.
Result<Target> PagingHost::translate_identity(Gfn gfn) {
    if (gfn < kIdentityTableGfn)
        return Err{Error::invalid};
    Mfn const frame = arch::identity_table_frame(gfn.raw() - kIdentityTableGfn.raw());
    if (!frame.valid())
        return Err{Error::invalid};
    return Target{.frame = frame, .kind = TargetKind::device, .shown = Gfn{frame.raw()}, .read_only = true};
}

Result<Target> PagingHost::translate(Gfn gfn, shadow_pt::Wanted wanted, Source source) {
    if (source.devices_only)
        return translate_device(gfn);
    if (source.identity)
        return wanted.write ? Result<Target>{Err{Error::not_permitted}} : translate_identity(gfn);
    if (source.other == nullptr || source.other == &domain_)
        return translate_own(gfn);
    auto found = source.other->gfns.get(gfn);
    if (!found)
        return Err{Error::invalid};
    Mfn const frame = std::move(found).value().release();
    return Target{.frame = frame, .kind = TargetKind::foreign, .shown = Gfn{frame.raw()}};
}

std::optional<Target> PagingHost::named(Gfn gfn) {
    if (Mfn const frame = domain_.gfns.named(gfn); frame.valid()) {
        auto const kind = system_.frames.info(frame).special() ? TargetKind::special : TargetKind::own;
        return Target{.frame = frame, .kind = kind, .shown = gfn};
    }
    auto const device = translate_device(gfn);
    return device.ok() ? std::optional{device.value()} : std::nullopt;
}

base::Status PagingHost::reference(Mfn frame) { return system_.frames.take_reference(frame); }

void PagingHost::release(Mfn frame, TargetKind kind) {
    if (kind != TargetKind::device)
        system_.frames.drop_reference(frame);
}

void PagingHost::mark_in_log(Mfn frame) {
    if (Domain* const owner = owner_of(frame); owner != nullptr)
        owner->log.mark(system_.frames.gfn_of(frame));
}

void PagingHost::foreign_writer(Mfn frame, bool more) {
    auto& info = system_.frames.info(frame);
    Domain* const owner = owner_of(frame);
    auto const before = info.count_foreign_writer(more);
    bool const last = !more && before == 1;
    if (owner == nullptr || (!last && (!more || before != 0)))
        return;
    auto const gfn = system_.frames.gfn_of(frame);
    owner->log.set_foreign(gfn, more);
    if (last && info.foreign_writers() > 0)
        owner->log.set_foreign(gfn, true); // another came in between
}

Mfn PagingHost::next_own(Gfn& gfn) { return domain_.gfns.next(gfn); }

bool PagingHost::should_yield() { return slice_is_over(system_); }

shadow_pt::TlbClock& PagingHost::clock() { return system_.flush_clock.clock(); }

void PagingHost::retire(shadow_pt::Stamp stamp) {
    auto const behind = clock().behind(stamp);
    if (!behind.none())
        system_.flush_clock.flush(behind);
}

void PagingHost::root_entry_changed(Mfn shadow, unsigned slot, std::uint64_t entry) {
    for (std::uint32_t cpu = 0; cpu < arch::online_cpus(); ++cpu) {
        arch::patch_root(base::CpuId{cpu}, arch::Root::kernel, shadow, slot, entry);
        arch::patch_root(base::CpuId{cpu}, arch::Root::user, shadow, slot, entry);
    }
}

shadow_pt::EntryRules PagingHost::rules(Source source) const {
    Domain const& names = source.other != nullptr ? *source.other : domain_;
    return {.address_bits = names.translated() ? 44U : system_.physical_address_bits,
            .may_choose_caching = domain_.privileged};
}

void PagingHost::refused(shadow_pt::Refusal refusal, Gfn gfn) { trace_paging_refusal(domain_, refusal, gfn); }

} // namespace domain
