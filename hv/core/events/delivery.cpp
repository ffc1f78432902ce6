// Raising ports.
#include "events/event_table.hpp"

namespace events {

using base::Err;
using base::Error;
using base::LockGuard;
using base::Port;
using base::Result;
using base::VcpuId;

Notice EventTable::notify_unmasked(Port port, bool newly_pending) {
    Notice notice{.owner = &owner_,
                  .vcpu = VcpuId{channel(port).vcpu.load(std::memory_order_relaxed)},
                  .port = port,
                  .pending = newly_pending};
    if (mask_.test(port))
        return notice;
    // Null: a vCPU that has not said yet where its words are. It will be told to look at all its ports.
    if (vcpu_info_t* const info = vcpus_[notice.vcpu.raw()].info.load(std::memory_order_seq_cst); info != nullptr)
        notice.upcall = set_upcall(*info, port);
    return notice;
}

Notice EventTable::raise(Port port) {
    if (pending_.test_and_set(port))
        return {};
    return notify_unmasked(port, true);
}

Result<Notice> EventTable::send(Port port) {
    if (!exists(port))
        return Err{Error::invalid};
    LockGuard const guard{lock_};
    Channel const& one = channel(port);
    switch (one.state) {
    case State::interdomain: return one.peer->raise(Port{one.number});
    case State::ipi: return raise(port);
    case State::unbound: return Notice{};
    case State::free:
    case State::virq:
    case State::pirq: break;
    }
    return Err{Error::invalid};
}

Notice EventTable::raise_virq(std::uint32_t virq, VcpuId vcpu) {
    ASSERT(virq < kVirqs && has_vcpu(vcpu));
    LockGuard const guard{lock_};
    auto const port = virq_port(virq, vcpu);
    return port == 0 ? Notice{} : raise(Port{port});
}

Notice EventTable::raise_pirq(Port port, std::uint32_t pirq) {
    if (!exists(port))
        return {};
    LockGuard const guard{lock_};
    Channel const& one = channel(port);
    return one.state == State::pirq && one.number == pirq ? raise(port) : Notice{};
}

bool EventTable::is_waiting(Port port, base::DomId remote) {
    return exists(port) && channel(port).state == State::unbound && channel(port).number == remote.raw();
}

bool EventTable::waits_for(Port port, base::DomId remote) {
    LockGuard const guard{lock_};
    return is_waiting(port, remote);
}

Result<Notice> EventTable::raise_waiting(Port port, base::DomId remote) {
    LockGuard const guard{lock_};
    if (!is_waiting(port, remote))
        return Err{Error::invalid};
    return raise(port);
}

Result<Notice> EventTable::unmask(Port port) {
    if (!exists(port))
        return Err{Error::invalid};
    LockGuard const guard{lock_};
    if (channel(port).state == State::free)
        return Notice{};
    if (!mask_.test_and_clear(port) || !pending_.test(port))
        return Notice{};
    return notify_unmasked(port, false);
}

Result<bool> EventTable::is_pending(Port port) const {
    if (!exists(port))
        return Err{Error::invalid};
    return pending_.test(port);
}

} // namespace events
