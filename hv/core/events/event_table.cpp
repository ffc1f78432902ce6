// The table itself: what a port is, and what may be asked and changed without raising it.
#include "events/event_table.hpp"

#include <algorithm>
#include <cstring>

#include "base/frame.hpp"

namespace events {

using base::Err;
using base::Error;
using base::LockGuard;
using base::Port;
using base::Status;
using base::VcpuId;

EventTable::EventTable(Owner& owner, base::DomId id, LinkLock& links, shared_info_t& shared,
                       std::span<Channel> channels, std::span<Target> vcpus)
    : owner_{owner},
      id_{id},
      links_{links},
      shared_{shared},
      pending_{shared.evtchn_pending},
      mask_{shared.evtchn_mask},
      channels_{channels},
      vcpus_{vcpus},
      limit_{static_cast<std::uint32_t>(std::min<std::size_t>(kGrowth, channels.size()))} {
    ASSERT(!channels.empty() && channels.size() <= kPorts);
    ASSERT(!vcpus.empty() && vcpus.size() <= 0xffff);
    for (std::size_t i = 0; i < std::min<std::size_t>(vcpus.size(), XEN_LEGACY_MAX_VCPUS); ++i)
        vcpus[i].info.store(&shared.vcpu_info[i], std::memory_order_relaxed);
}

void EventTable::retire() {
    LockGuard const guard{lock_};
    retired_ = true;
}

base::Result<evtchn_status_t> EventTable::status(Port port) {
    if (!exists(port))
        return Err{Error::invalid};
    LockGuard const guard{lock_};
    Channel const& one = channel(port);
    evtchn_status_t status{};
    status.dom = id_.raw();
    status.port = port.raw();
    status.vcpu = one.vcpu.load(std::memory_order_relaxed);
    switch (one.state) {
    case State::free: status.status = EVTCHNSTAT_closed; break;
    case State::unbound:
        status.status = EVTCHNSTAT_unbound;
        status.u.unbound.dom = static_cast<domid_t>(one.number);
        break;
    case State::interdomain:
        status.status = EVTCHNSTAT_interdomain;
        status.u.interdomain.dom = one.peer->id_.raw();
        status.u.interdomain.port = one.number;
        break;
    case State::pirq:
        status.status = EVTCHNSTAT_pirq;
        status.u.pirq = one.number;
        break;
    case State::virq:
        status.status = EVTCHNSTAT_virq;
        status.u.virq = one.number;
        break;
    case State::ipi: status.status = EVTCHNSTAT_ipi; break;
    }
    return status;
}

Status EventTable::bind_vcpu(Port port, VcpuId vcpu) {
    if (!has_vcpu(vcpu))
        return Err{Error::not_found};
    if (!exists(port))
        return Err{Error::invalid};
    LockGuard const guard{lock_};
    Channel& one = channel(port);
    switch (one.state) {
    case State::free:
    case State::ipi: return Err{Error::invalid};
    case State::virq:
        if (!is_global(one.number))
            return Err{Error::invalid};
        break;
    case State::unbound:
    case State::interdomain:
    case State::pirq: break;
    }
    one.vcpu.store(static_cast<std::uint16_t>(vcpu.raw()), std::memory_order_relaxed);
    return {};
}

Status EventTable::init_control(evtchn_init_control_t const& request) const {
    if (!has_vcpu(VcpuId{request.vcpu}))
        return Err{Error::not_found};
    if (request.offset > base::kPageSize - sizeof(evtchn_fifo_control_block_t) || request.offset % 8 != 0)
        return Err{Error::invalid};
    return Err{Error::not_implemented};
}

Status EventTable::set_priority(evtchn_set_priority_t const& request) const {
    if (!exists(Port{request.port}))
        return Err{Error::invalid};
    return Err{Error::not_implemented};
}

vcpu_info_t* EventTable::vcpu_info(VcpuId vcpu) const {
    return has_vcpu(vcpu) ? vcpus_[vcpu.raw()].info.load(std::memory_order_acquire) : nullptr;
}

void EventTable::move_vcpu_info(VcpuId vcpu, vcpu_info_t& to) {
    ASSERT(has_vcpu(vcpu));
    Target& target = vcpus_[vcpu.raw()];
    if (vcpu_info_t const* const from = target.info.load(std::memory_order_relaxed); from != nullptr)
        std::memcpy(&to, from, sizeof to);
    // A raiser sets the pending bit, then reads this pointer. If it still reads the old one, its bit was set before
    // this exchange, and so before the guest, told so below, looks at all its bits.
    target.info.exchange(&to, std::memory_order_seq_cst);
    set_upcall_for_all(to);
}

} // namespace events
