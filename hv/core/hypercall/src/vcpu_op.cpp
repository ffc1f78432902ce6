// vcpu_op: bringing up vCPUs, the areas they share with the hypervisor, their timers (docs/abi.md §3.9, §7).

#include "abi/errno.hpp"
#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "arch/devices.hpp"
#include "domain/areas.hpp"
#include "domain/claim.hpp"
#include "domain/heap.hpp"
#include "domain/running.hpp"
#include "domain/timers.hpp"
#include "guest/context.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using base::Vaddr;
using domain::Vcpu;

Answer initialise(Call& call, Vcpu& target) {
    if (target.info() == nullptr)
        return Err{Error::invalid}; // ids from 32 on have no place in shared_info: register first
    domain::Claim const claim{target.claimed};
    if (!claim)
        return Err{Error::preempted};
    if (target.initialised.load(std::memory_order_acquire))
        return Err{Error::exists};
    // Five kilobytes: too much for the stack of a CPU.
    auto const context = TRY(domain::make_scratch<vcpu_guest_context_t>(call.domain().system));
    TRY(domain::copy_from_guest(call.vcpu, call.vcpu.mode, std::as_writable_bytes(std::span{context.get(), 1}),
                                call.pointer(2)));
    TRY(guest::set_context(target, *context));
    return 0;
}

Answer up(Vcpu& target) {
    if (!target.initialised.load(std::memory_order_acquire))
        return Err{Error::invalid};
    domain::bring_up(target);
    return 0;
}

Answer get_runstate(Call& call, Vcpu& target) {
    auto const info = domain::runstate_of(target);
    TRY(call.write(2, info));
    return 0;
}

Answer register_info(Call& call, Vcpu& target) {
    auto const request = TRY(call.read<vcpu_register_vcpu_info_t>(2));
    TRY(domain::register_vcpu_info(call.vcpu, target, base::Gfn{request.mfn}, request.offset));
    return 0;
}

Answer set_singleshot(Call& call, Vcpu& target) {
    auto const request = TRY(call.read<vcpu_set_singleshot_timer_t>(2));
    if ((request.flags & VCPU_SSHOTTMR_future) != 0 && request.timeout_abs_ns < call.domain().guest_now())
        return -62; // -ETIME, which the public errno list of our errors does not need elsewhere
    domain::set_singleshot_timer(target, request.timeout_abs_ns);
    return 0;
}

Answer set_periodic(Call& call, Vcpu& target) {
    auto const request = TRY(call.read<vcpu_set_periodic_timer_t>(2));
    if (request.period_ns < domain::kShortestPeriod)
        return Err{Error::invalid};
    if (request.period_ns > domain::kLongestPeriod)
        return Err{Error::invalid};
    domain::set_periodic_timer(target, request.period_ns);
    return 0;
}

/// What firmware calls the CPU of the target's number: for a vCPU of dom0 that is to run on one CPU only.
Answer get_physid(Call& call, Vcpu& target) {
    auto const where = target.domain.system.scheduler.affinities(target.entity).hard;
    std::size_t cpus = 0;
    where.for_each([&](std::size_t) { ++cpus; });
    if (!target.domain.privileged || cpus != 1 || target.id.raw() >= arch::online_cpus())
        return Err{Error::invalid};
    auto const id = arch::firmware_id(base::CpuId{target.id.raw()});
    TRY(call.write(2, vcpu_get_physid_t{.phys_id = id.apic_id | std::uint64_t{id.acpi_id} << 32}));
    return 0;
}

Answer send_nmi(Vcpu& target) {
    target.nmi_pending.store(true, std::memory_order_release);
    domain::notify(target);
    return 0;
}

} // namespace

Answer vcpu_op(Call& call) {
    Vcpu* const found = call.domain().vcpu(base::VcpuId{call.u32(1)});
    // Linux asks for every id that it could have whether it is up: to be told -ENOENT is an answer, not a refusal.
    if (found == nullptr)
        return call.u32(0) == VCPUOP_is_up ? Answer{abi::to_errno(Error::not_found)} : Err{Error::not_found};
    Vcpu& target = *found;
    bool const self = &target == &call.vcpu;

    switch (call.u32(0)) {
    case VCPUOP_initialise: return initialise(call, target);
    case VCPUOP_up: return up(target);
    case VCPUOP_down: domain::take_down(target); return 0;
    case VCPUOP_is_up: return target.down.load(std::memory_order_acquire) ? 0 : 1;
    case VCPUOP_get_runstate_info: return get_runstate(call, target);
    case VCPUOP_register_runstate_memory_area: {
        auto const area = TRY(call.read<vcpu_register_runstate_memory_area_t>(2));
        TRY(domain::register_runstate_area(call.vcpu, target, Vaddr{area.addr.p}));
        return 0;
    }
    case VCPUOP_register_vcpu_time_memory_area: {
        auto const area = TRY(call.read<vcpu_register_time_memory_area_t>(2));
        TRY(domain::register_time_area(target, Vaddr{area.addr.p}));
        return 0;
    }
    case VCPUOP_register_vcpu_info: return register_info(call, target);
    case VCPUOP_set_periodic_timer: return set_periodic(call, target);
    case VCPUOP_stop_periodic_timer: domain::stop_periodic_timer(target); return 0;
    case VCPUOP_set_singleshot_timer: return self ? set_singleshot(call, target) : Answer{Err{Error::invalid}};
    case VCPUOP_stop_singleshot_timer:
        if (!self)
            return Err{Error::invalid};
        domain::stop_singleshot_timer(target);
        return 0;
    case VCPUOP_send_nmi: return call.args[2] == 0 ? send_nmi(target) : Answer{Err{Error::invalid}};
    case VCPUOP_get_physid: return get_physid(call, target);
    default: return Err{Error::not_implemented};
    }
}

Answer set_timer_op(Call& call) {
    domain::set_singleshot_timer(call.vcpu, call.args[0] == 0 ? domain::kNever : call.args[0]);
    return 0;
}

} // namespace hypercall
