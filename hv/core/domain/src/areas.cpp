#include "domain/areas.hpp"
#include "domain/claim.hpp"

#include "arch/cpu.hpp"
#include "domain/domain.hpp"
#include "domain/guest_memory.hpp"
#include "timing/time_info.hpp"

namespace domain {

using base::Err;
using base::Error;
using base::Status;
using base::Vaddr;
using shadow_pt::Use;

Status register_vcpu_info(Vcpu& caller, Vcpu& target, base::Gfn gfn, std::uint32_t offset) {
    if (offset % alignof(vcpu_info_t) != 0 || offset > base::kPageSize - sizeof(vcpu_info_t))
        return Err{Error::no_such_address};
    if (&target != &caller && !target.down.load(std::memory_order_acquire))
        return Err{Error::invalid};
    Claim const claim{target.claimed};
    if (!claim)
        return Err{Error::preempted};
    if (target.info_frame.valid())
        return Err{Error::invalid};
    auto& domain = target.domain;
    target.info_frame = TRY(domain.paging.hold(gfn, Use::writable));
    auto* const words = reinterpret_cast<vcpu_info_t*>(arch::direct_map(target.info_frame) + offset);
    domain.events.move_vcpu_info(target.id, *words);
    write_time(target);
    domain.host.mark_dirty(target.info_frame);
    return {};
}

Status register_runstate_area(Vcpu& caller, Vcpu& target, Vaddr at) {
    if (at.raw() != 0 && !guest_address(at))
        return Err{Error::bad_address};
    target.runstate_area = at;
    if (&caller == &target) {
        write_runstate_area(target);
    } else if (at.raw() != 0) {
        // The target is another: its area is written through the caller's root, which shares the kernel's half.
        auto const info = runstate_of(target);
        TRY(write_guest(caller, at, info));
    }
    return {};
}

Status register_time_area(Vcpu& target, Vaddr at) {
    if (at.raw() != 0 && !guest_address(at))
        return Err{Error::bad_address};
    target.time_area = at;
    target.time_area_shows = {};
    write_time(target);
    return {};
}

namespace {

vcpu_runstate_info_t in_guest_time(Domain const& domain, vcpu_runstate_info_t info) {
    info.state_entry_time = domain.guest_time(info.state_entry_time);
    return info;
}

} // namespace

vcpu_runstate_info_t runstate_of(Vcpu& vcpu) {
    return in_guest_time(vcpu.domain, vcpu.entity.runstate().up_to(vcpu.domain.system.now()));
}

void write_runstate_area(Vcpu& vcpu) {
    if (vcpu.runstate_area.raw() == 0)
        return;
    bool const update_flag = vcpu.domain.assisted(VMASST_TYPE_runstate_update_flag);
    auto const write = [&](std::size_t offset, std::span<std::byte const> bytes) {
        return copy_to_guest(vcpu, Mode::kernel, vcpu.runstate_area + offset, bytes).ok();
    };
    static_cast<void>(
        timing::publish(in_guest_time(vcpu.domain, vcpu.entity.runstate().at_last_change()), update_flag, write));
}

void write_time(Vcpu& vcpu) {
    auto& system = vcpu.domain.system;
    auto const stable = arch::tsc_stable() ? timing::TscStable::yes : timing::TscStable::no;
    auto info = timing::time_info(system.clock, arch::read_tsc(), stable);
    info.system_time = vcpu.domain.guest_time(info.system_time);
    if (vcpu_info_t* const words = vcpu.info(); words != nullptr && !timing::same_time(words->time, info))
        timing::publish(words->time, info);
    bool const here = system.this_cpu().current.load(std::memory_order_relaxed) == &vcpu;
    if (vcpu.time_area.raw() == 0 || !here || timing::same_time(vcpu.time_area_shows, info))
        return;
    // Read by user space of all the domain's vCPUs (Linux's vDSO reads vCPU 0's), so never without a version.
    auto const write = [&](std::size_t offset, std::span<std::byte const> bytes) {
        return copy_to_guest(vcpu, Mode::kernel, vcpu.time_area + offset, bytes).ok();
    };
    static_cast<void>(timing::publish(vcpu.time_area_shows, info, write));
}

} // namespace domain
