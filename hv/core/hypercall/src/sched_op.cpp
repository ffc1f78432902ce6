// sched_op: giving up the CPU, for a moment or for good, and choosing one (docs/abi.md §3.6).

#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "domain/lifecycle.hpp"
#include "domain/running.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;

constexpr std::uint32_t kMostPolledPorts = 128;

Answer poll(Call& call) {
    auto const request = TRY(call.read<sched_poll_t>(1));
    if (request.nr_ports > kMostPolledPorts)
        return Err{Error::invalid};
    domain::GuestArray<evtchn_port_t> const ports{call.vcpu, address_of(request.ports)};

    // One port, as a spin lock waits for, is the only one that wakes us; of several, a raise of any port does: the guest
    // looks again. A raise that comes before our look at the pending bits is seen by the look, one that comes after it
    // sees a poller.
    auto const only = request.nr_ports == 1 ? base::Port{TRY(ports.read(0))} : base::Port{};
    domain::Polling polling{call.vcpu, only};
    for (std::uint32_t i = 0; i < request.nr_ports; ++i)
        if (TRY(call.domain().events.is_pending(base::Port{TRY(ports.read(i))})))
            return 0;
    polling.block_until(request.timeout);
    return 0;
}

/// Another domain's end, as its toolstack says it: or the caller's own, by its number.
Answer remote_shutdown(Call& call) {
    auto const request = TRY(call.read<sched_remote_shutdown_t>(1));
    auto* const subject = call.domain().system.find(base::DomId{request.domain_id});
    if (subject == nullptr)
        return Err{Error::no_such_domain};
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    domain::shut_down(*subject, request.reason & 0xff);
    return 0;
}

/// Why the domain has ended, said before it ends. The first word counts.
Answer shutdown_code(Call& call) {
    auto const request = TRY(call.read<sched_shutdown_t>(1));
    auto none = ~0U;
    call.domain().shutdown_code.compare_exchange_strong(none, request.reason & 0xff);
    return 0;
}

Answer watchdog(Call& call) {
    auto const request = TRY(call.read<sched_watchdog_t>(1));
    auto& watchdogs = call.domain().watchdogs;
    if (request.id == 0)
        return static_cast<std::int64_t>(TRY(watchdogs.start(request.timeout)));
    TRY(watchdogs.set(request.id, request.timeout));
    return 0;
}

/// The calling vCPU runs on one CPU only from now on, whatever the toolstack has said; with a negative number that ends.
Answer pin_override(Call& call) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    auto const request = TRY(call.read<sched_pin_override_t>(1));
    auto& vcpu = call.vcpu;
    auto& system = call.domain().system;
    bool const ends = request.pcpu < 0;
    if (ends ? !vcpu.overridden.load(std::memory_order_relaxed)
             : static_cast<std::uint32_t>(request.pcpu) >= arch::online_cpus())
        return Err{Error::invalid};
    if (!ends && vcpu.overridden.load(std::memory_order_relaxed))
        return Err{Error::busy};
    sched::Affinity one;
    if (!ends) {
        one.set(static_cast<std::size_t>(request.pcpu));
        vcpu.before_override = system.scheduler.affinities(vcpu.entity).hard;
    }
    auto const& now = ends ? *vcpu.before_override : one;
    domain::perform(system, TRY(system.scheduler.set_affinity(vcpu.entity, now, system.now())));
    vcpu.overridden.store(!ends, std::memory_order_relaxed);
    return 0;
}

} // namespace

Answer sched_op(Call& call) {
    auto& vcpu = call.vcpu;
    switch (call.u32(0)) {
    case SCHEDOP_yield: domain::yield(vcpu); return 0;
    case SCHEDOP_block: domain::block(vcpu); return 0;
    case SCHEDOP_poll: return poll(call);
    case SCHEDOP_shutdown: {
        auto const request = TRY(call.read<sched_shutdown_t>(1));
        domain::shut_down(call.domain(), request.reason & 0xff);
        return 0;
    }
    case SCHEDOP_shutdown_code: return shutdown_code(call);
    case SCHEDOP_remote_shutdown: return remote_shutdown(call);
    case SCHEDOP_watchdog: return watchdog(call);
    case SCHEDOP_pin_override: return pin_override(call);
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
