// The table as a value: what a domain's record holds of it (docs/domain-record.md).
#include <algorithm>

#include "events/event_table.hpp"

namespace events {

using base::Err;
using base::Error;
using base::LockGuard;
using base::Port;
using base::Status;
using base::VcpuId;

base::Result<std::optional<EventTable::Saved>> EventTable::saved(Port port) {
    if (!exists(port))
        return std::optional<Saved>{};
    LockGuard const guard{lock_};
    Channel const& one = channel(port);
    Saved saved{.port = port,
                .state = one.state,
                .vcpu = VcpuId{one.vcpu.load(std::memory_order_relaxed)},
                .number = one.number,
                .peer = Port{0}};
    switch (one.state) {
    case State::free: return std::optional<Saved>{};
    case State::pirq: return Err{Error::not_supported};
    case State::interdomain:
        saved.number = one.peer->id_.raw();
        saved.peer = Port{one.number};
        break;
    case State::unbound:
    case State::virq:
    case State::ipi: break;
    }
    return std::optional{saved};
}

namespace {

/// Whether @p one, bound to another domain, is what @p port of @p ports was: then it stays.
bool was_so(std::span<EventTable::Saved const> ports, std::uint32_t port, base::DomId remote) {
    auto const found =
        std::lower_bound(ports.begin(), ports.end(), port,
                         [](EventTable::Saved const& one, std::uint32_t wanted) { return one.port.raw() < wanted; });
    return found != ports.end() && found->port.raw() == port && found->state == State::interdomain &&
           found->number == remote.raw();
}

} // namespace

Status EventTable::restore(std::span<Saved const> ports, std::uint32_t limit) {
    ASSERT(limit <= channels_.size());
    LockGuard const links{links_};
    LockGuard const guard{lock_};
    auto const present = limit_.load(std::memory_order_relaxed);
    auto const stays = [&](std::uint32_t port) {
        Channel const& one = channels_[port];
        return one.state == State::interdomain && one.peer != this && was_so(ports, port, one.peer->id_);
    };
    for (std::uint32_t port = 1; port < present; ++port)
        if (auto const state = channels_[port].state; state != State::free && state != State::unbound && !stays(port))
            return Err{Error::busy};
    for (std::uint32_t port = 1; port < present; ++port)
        if (!stays(port))
            release(Port{port});
    lowest_free_ = 1;
    limit_.store(limit, std::memory_order_release);
    for (Saved const& saved : ports) {
        if (channel(saved.port).state == State::interdomain) { // it stayed
            channel(saved.port).vcpu.store(static_cast<std::uint16_t>(saved.vcpu.raw()), std::memory_order_relaxed);
            continue;
        }
        bool const within = saved.state == State::interdomain && saved.number == id_.raw();
        bool const waits = saved.state == State::interdomain && !within;
        bind(saved.port, waits ? State::unbound : saved.state, within ? saved.peer.raw() : saved.number, saved.vcpu);
        channel(saved.port).peer = within ? this : nullptr;
        if (saved.state == State::virq)
            virq_port(saved.number, saved.vcpu) = static_cast<std::uint16_t>(saved.port.raw());
    }
    return {};
}

Notice EventTable::remind(Port port) {
    LockGuard const guard{lock_};
    if (!exists(port) || channel(port).state == State::free || !pending_.test(port))
        return {};
    return notify_unmasked(port, true);
}

void EventTable::restore_vcpu_info(VcpuId vcpu, vcpu_info_t& at) {
    ASSERT(has_vcpu(vcpu));
    vcpus_[vcpu.raw()].info.store(&at, std::memory_order_seq_cst);
}

void EventTable::forget_vcpu_info(VcpuId vcpu) {
    ASSERT(has_vcpu(vcpu));
    bool const has_slot = vcpu.raw() < XEN_LEGACY_MAX_VCPUS;
    vcpus_[vcpu.raw()].info.store(has_slot ? &shared_.vcpu_info[vcpu.raw()] : nullptr, std::memory_order_seq_cst);
}

} // namespace events
