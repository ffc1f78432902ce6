// A vCPU: registers, extended state, timers, areas.
#include <cstring>

#include "arch/cpu.hpp"
#include "domain/areas.hpp"
#include "domain/running.hpp"
#include "domain/timers.hpp"
#include "guest/context.hpp"
#include "snapshot/parts.hpp"

namespace snapshot {
namespace {

using base::Err;
using base::Error;
using base::Status;
using domain::Vcpu;

std::uint32_t flag(bool on, std::uint32_t bit) { return on ? bit : 0; }

std::uint32_t flags_of(Vcpu const& vcpu) {
    auto const& segments = vcpu.saved.segments;
    return flag(vcpu.initialised.load(), TERN_RECORD_V_initialised) | flag(!vcpu.down.load(), TERN_RECORD_V_up) |
           flag(vcpu.entity.blocked(), TERN_RECORD_V_blocked) | flag(vcpu.polling.load(), TERN_RECORD_V_polling) |
           flag(vcpu.in_nmi, TERN_RECORD_V_in_nmi) | flag(vcpu.nmi_pending.load(), TERN_RECORD_V_nmi_pending) |
           flag(vcpu.syscall32_callback.mask_events, TERN_RECORD_V_syscall32_masks) |
           flag(vcpu.sysenter_callback.mask_events, TERN_RECORD_V_sysenter_masks) |
           flag(segments.fs_base_from_selector, TERN_RECORD_V_fs_base_by_selector) |
           flag(segments.gs_base_from_selector, TERN_RECORD_V_gs_base_by_selector) |
           flag(segments.inactive_gs_base_from_selector, TERN_RECORD_V_other_gs_base_by_selector);
}

/// What vcpu_guest_context has no room for, and a guest need not be told to lose.
Status restore_rest(Vcpu& vcpu, tern_record_vcpu const& saved) {
    auto const has = [&](std::uint32_t bit) { return (saved.flags & bit) != 0; };
    if (!base::canonical(base::Vaddr{saved.syscall32_callback}) ||
        !base::canonical(base::Vaddr{saved.sysenter_callback}))
        return Err{Error::invalid};
    vcpu.syscall32_callback = {saved.syscall32_callback, has(TERN_RECORD_V_syscall32_masks)};
    vcpu.sysenter_callback = {saved.sysenter_callback, has(TERN_RECORD_V_sysenter_masks)};
    vcpu.io_bitmap = base::Vaddr{saved.io_bitmap};
    vcpu.io_bitmap_ports = saved.io_bitmap_ports;
    vcpu.tsc_aux = saved.tsc_aux;
    auto& segments = vcpu.saved.segments;
    segments.fs_base_from_selector = has(TERN_RECORD_V_fs_base_by_selector);
    segments.gs_base_from_selector = has(TERN_RECORD_V_gs_base_by_selector);
    segments.inactive_gs_base_from_selector = has(TERN_RECORD_V_other_gs_base_by_selector);
    return {};
}

Status restore_extended_state(Reader& reader, Vcpu& vcpu) {
    auto const xcr0 = TRY(reader.extended_state(vcpu.id.raw())).xcr0;
    auto const area = TRY(domain::make_scratch_array<std::byte>(vcpu.domain.system, reader.area_size(vcpu.id.raw())));
    TRY(reader.area(vcpu.id.raw(), area.get()));
    return guest::set_extended_state(vcpu, xcr0, area.get());
}

std::uint64_t in_guest_time(Vcpu const& vcpu, timing::Timer const& timer) {
    auto const deadline = timer.setting().deadline;
    return deadline == timing::kNever ? TERN_RECORD_NONE : vcpu.domain.guest_time(deadline);
}

} // namespace

Status put_vcpu(Writer& writer, Vcpu& vcpu) {
    auto const reservation = vcpu.domain.system.scheduler.reservation(vcpu.entity);
    tern_record_vcpu const state{.flags = flags_of(vcpu),
                                 .io_bitmap_ports = vcpu.io_bitmap_ports,
                                 .io_bitmap = vcpu.io_bitmap.raw(),
                                 .syscall32_callback = vcpu.syscall32_callback.address,
                                 .sysenter_callback = vcpu.sysenter_callback.address,
                                 .tsc_aux = vcpu.tsc_aux,
                                 .reserved_period = reservation.period,
                                 .reserved_slice = reservation.slice};
    writer.begin(TERN_RECORD_S_vcpu, vcpu.id.raw());
    TRY(writer.put(state));
    if ((state.flags & TERN_RECORD_V_initialised) != 0) {
        auto const context = TRY(domain::make_scratch<vcpu_guest_context_t>(vcpu.domain.system));
        guest::get_context(vcpu, *context);
        if (vcpu.user_root.valid())
            context->ctrlreg[1] |= 1; // frame 0 is one, too
        TRY(writer.put(*context));
    }
    return writer.end();
}

Status put_extended_state(Writer& writer, Vcpu& vcpu) {
    if (!vcpu.initialised.load())
        return {};
    writer.begin(TERN_RECORD_S_extended_state, vcpu.id.raw());
    TRY(writer.put(tern_record_extended_state{.xcr0 = vcpu.xcr0}));
    TRY(writer.put(std::span{vcpu.saved.extended_state, arch::extended_state_size()}));
    return writer.end();
}

Status put_timers(Writer& writer, Vcpu& vcpu) {
    auto const runstate = vcpu.entity.runstate().at_last_change();
    auto const periodic = vcpu.periodic.setting();
    tern_record_timers timers{.singleshot = in_guest_time(vcpu, vcpu.singleshot),
                              .periodic = in_guest_time(vcpu, vcpu.periodic),
                              .period = periodic.period,
                              .poll = in_guest_time(vcpu, vcpu.poll_timeout),
                              .runstate = static_cast<std::uint32_t>(runstate.state),
                              .unused = 0,
                              .runstate_since = vcpu.domain.guest_time(runstate.state_entry_time),
                              .runstate_times = {}};
    std::memcpy(timers.runstate_times, runstate.time, sizeof timers.runstate_times);
    return writer.section(TERN_RECORD_S_timers, vcpu.id.raw(), timers);
}

Status put_areas(Writer& writer, Vcpu& vcpu) {
    tern_record_areas areas{.vcpu_info_gfn = TERN_RECORD_NONE,
                            .vcpu_info_offset = 0,
                            .time_version = vcpu.time_area_shows.version,
                            .runstate = vcpu.runstate_area.raw(),
                            .time = vcpu.time_area.raw()};
    if (vcpu.info_frame.valid()) {
        auto const* const words = reinterpret_cast<std::byte const*>(vcpu.info());
        areas.vcpu_info_gfn = vcpu.domain.gfn_of(vcpu.info_frame).raw();
        areas.vcpu_info_offset = static_cast<std::uint32_t>(words - arch::direct_map(vcpu.info_frame));
    }
    return writer.section(TERN_RECORD_S_areas, vcpu.id.raw(), areas);
}

Status restore_vcpu(Reader& reader, Vcpu& vcpu) {
    auto const number = vcpu.id.raw();
    auto const saved = TRY(reader.vcpu(number));
    if ((saved.flags & TERN_RECORD_V_initialised) != 0 && !vcpu.initialised.load()) {
        auto const context = TRY(domain::make_scratch<vcpu_guest_context_t>(vcpu.domain.system));
        TRY(reader.context(number, *context));
        TRY(guest::set_context(vcpu, *context));
        TRY(restore_extended_state(reader, vcpu));
    }
    TRY(restore_rest(vcpu, saved));
    auto& system = vcpu.domain.system;
    sched::Reservation const reservation{.period = saved.reserved_period, .slice = saved.reserved_slice};
    if (reservation.any())
        domain::perform(system, TRY(system.scheduler.reserve(vcpu.entity, reservation, system.now())));
    return {};
}

Status restore_areas(Reader& reader, Vcpu& vcpu) {
    auto const areas = TRY(reader.areas(vcpu.id.raw()));
    for (auto const at : {base::Vaddr{areas.runstate}, base::Vaddr{areas.time}})
        if (at.raw() != 0 && !domain::guest_address(at))
            return Err{Error::invalid};
    if (areas.vcpu_info_gfn != TERN_RECORD_NONE && !vcpu.info_frame.valid()) {
        vcpu.info_frame = TRY(vcpu.domain.paging.hold(base::Gfn{areas.vcpu_info_gfn}, shadow_pt::Use::writable));
        auto* const words = arch::direct_map(vcpu.info_frame) + areas.vcpu_info_offset;
        vcpu.domain.events.restore_vcpu_info(vcpu.id, *reinterpret_cast<vcpu_info_t*>(words));
    }
    vcpu.runstate_area = base::Vaddr{areas.runstate};
    vcpu.time_area = base::Vaddr{areas.time};
    // Who is reading it at this moment must see that it changes.
    vcpu.time_area_shows = {};
    vcpu.time_area_shows.version = areas.time_version;
    return {};
}

void restore_timers(Vcpu& vcpu, std::uint32_t flags, tern_record_timers const& timers) {
    auto& domain = vcpu.domain;
    bool const polling = (flags & TERN_RECORD_V_polling) != 0;
    vcpu.in_nmi = (flags & TERN_RECORD_V_in_nmi) != 0;
    vcpu.nmi_pending.store((flags & TERN_RECORD_V_nmi_pending) != 0);
    vcpu.polled.store(base::Port{});
    vcpu.polling.store(polling);

    // What has gone by on the way counts as time in the state that it was in.
    auto const now = domain.guest_now();
    vcpu_runstate_info_t runstate{};
    runstate.state = static_cast<int>(timers.runstate);
    runstate.state_entry_time = domain.system.now();
    std::memcpy(runstate.time, timers.runstate_times, sizeof timers.runstate_times);
    if (now > timers.runstate_since)
        runstate.time[timers.runstate] += now - timers.runstate_since;
    domain.system.scheduler.restore(vcpu.entity, (flags & TERN_RECORD_V_blocked) != 0, runstate);

    auto const start = [&](timing::Timer& timer, std::uint64_t deadline, std::uint64_t period) {
        if (deadline != TERN_RECORD_NONE)
            domain::start_timer(vcpu, timer, domain.host_time(deadline), period);
    };
    start(vcpu.singleshot, timers.singleshot, 0);
    start(vcpu.periodic, timers.periodic, timers.period);
    if (polling)
        start(vcpu.poll_timeout, timers.poll, 0);
}

Status drop_vcpu(Vcpu& vcpu) {
    TRY(guest::reset_context(vcpu));
    auto& system = vcpu.domain.system;
    domain::perform(system, TRY(system.scheduler.reserve(vcpu.entity, {}, system.now())));
    if (vcpu.info_frame.valid()) {
        vcpu.domain.events.forget_vcpu_info(vcpu.id);
        vcpu.domain.paging.unhold(std::exchange(vcpu.info_frame, base::Mfn{}), shadow_pt::Use::writable);
    }
    vcpu.runstate_area = vcpu.time_area = base::Vaddr{};
    return {};
}

} // namespace snapshot
