#include "lib/events.hpp"

#include <atomic>

#include "lib/guest.hpp"
#include "lib/instructions.hpp"
#include "lib/trap.hpp"

namespace lib {
namespace {

constexpr unsigned kWordBits = 64;
unsigned counts[EVTCHN_2L_NR_CHANNELS];

template <typename T> std::atomic_ref<T> atomic(T& word) { return std::atomic_ref<T>{word}; }
constexpr xen_ulong_t bit(Port port) { return xen_ulong_t{1} << port % kWordBits; }

/// What a hypercall answers that writes a port into its argument.
template <typename Request> std::int64_t ask(unsigned command, Request& request, Port Request::*answer) {
    std::int64_t const refused = event_channel_op(command, &request);
    return refused != 0 ? refused : request.*answer;
}

} // namespace

std::int64_t alloc_unbound(domid_t remote, domid_t domain) {
    evtchn_alloc_unbound_t request{.dom = domain, .remote_dom = remote, .port = 0};
    return ask(EVTCHNOP_alloc_unbound, request, &evtchn_alloc_unbound_t::port);
}

std::int64_t bind_interdomain(Port remote_port, domid_t remote) {
    evtchn_bind_interdomain_t request{.remote_dom = remote, .remote_port = remote_port, .local_port = 0};
    return ask(EVTCHNOP_bind_interdomain, request, &evtchn_bind_interdomain_t::local_port);
}

std::int64_t bind_virq(unsigned virq, unsigned vcpu) {
    evtchn_bind_virq_t request{.virq = virq, .vcpu = vcpu, .port = 0};
    return ask(EVTCHNOP_bind_virq, request, &evtchn_bind_virq_t::port);
}

std::int64_t bind_ipi(unsigned vcpu) {
    evtchn_bind_ipi_t request{.vcpu = vcpu, .port = 0};
    return ask(EVTCHNOP_bind_ipi, request, &evtchn_bind_ipi_t::port);
}

std::int64_t send(Port port) {
    evtchn_send_t request{.port = port};
    return event_channel_op(EVTCHNOP_send, &request);
}

std::int64_t unmask(Port port) {
    evtchn_unmask_t request{.port = port};
    return event_channel_op(EVTCHNOP_unmask, &request);
}

std::int64_t close(Port port) {
    evtchn_close_t request{.port = port};
    return event_channel_op(EVTCHNOP_close, &request);
}

std::int64_t poll(Port const* ports, unsigned count, std::uint64_t deadline) {
    sched_poll_t request{};
    request.ports.p = const_cast<Port*>(ports);
    request.nr_ports = count;
    request.timeout = deadline;
    return sched_op(SCHEDOP_poll, &request);
}

bool is_pending(Port port) { return (atomic(shared().evtchn_pending[port / kWordBits]).load() & bit(port)) != 0; }
bool is_masked(Port port) { return (atomic(shared().evtchn_mask[port / kWordBits]).load() & bit(port)) != 0; }

void set_masked(Port port, bool masked) {
    auto word = atomic(shared().evtchn_mask[port / kWordBits]);
    if (masked)
        word.fetch_or(bit(port));
    else
        word.fetch_and(~bit(port));
}

void clear_pending(Port port) { atomic(shared().evtchn_pending[port / kWordBits]).fetch_and(~bit(port)); }

unsigned taken(Port port) { return atomic(counts[port]).load(); }
void forget_taken(Port port) { atomic(counts[port]).store(0); }

void let_events_in() {
    auto const mask = atomic(this_vcpu().info->evtchn_upcall_mask);
    mask.store(0);
    if (atomic(this_vcpu().info->evtchn_upcall_pending).load() != 0)
        xen_version(XENVER_version); // any hypercall: what is pending comes in on the way out of it
}

bool keep_events_out() { return atomic(this_vcpu().info->evtchn_upcall_mask).exchange(1) != 0; }

bool take_events() {
    vcpu_info_t& info = *this_vcpu().info;
    atomic(info.evtchn_upcall_pending).store(0);
    for (auto selected = atomic(info.evtchn_pending_sel).exchange(0); selected != 0; selected &= selected - 1) {
        auto const word = static_cast<unsigned>(__builtin_ctzll(selected));
        auto const unmasked = ~atomic(shared().evtchn_mask[word]).load();
        for (auto ports = atomic(shared().evtchn_pending[word]).load() & unmasked; ports != 0; ports &= ports - 1) {
            Port const port = word * kWordBits + static_cast<unsigned>(__builtin_ctzll(ports));
            clear_pending(port);
            atomic(counts[port]).fetch_add(1);
        }
    }
    return true;
}

std::uint64_t now() {
    vcpu_time_info_t const volatile& time = this_vcpu().info->time;
    for (;;) {
        std::uint32_t const version = time.version;
        std::atomic_thread_fence(std::memory_order_acquire);
        std::uint64_t delta = rdtsc() - time.tsc_timestamp;
        delta = time.tsc_shift < 0 ? delta >> -time.tsc_shift : delta << time.tsc_shift;
        auto const scaled =
            static_cast<std::uint64_t>(static_cast<unsigned __int128>(delta) * time.tsc_to_system_mul >> 32);
        std::uint64_t const result = time.system_time + scaled;
        std::atomic_thread_fence(std::memory_order_acquire);
        if ((version & 1) == 0 && version == time.version)
            return result;
    }
}

} // namespace lib
