// Making and closing ports.
#include "events/event_table.hpp"

#include <algorithm>

namespace events {

using base::Err;
using base::Error;
using base::LockGuard;
using base::Port;
using base::Result;
using base::VcpuId;

/// The locks of two tables that may be one and the same, lower domain first.
class [[nodiscard]] EventTable::BothLocked {
  public:
    BothLocked(EventTable& a, EventTable& b)
        : first_{a.id_ < b.id_ ? a : b}, second_{&a == &b ? nullptr : &(a.id_ < b.id_ ? b : a)} {
        first_.lock_.lock();
        if (second_ != nullptr)
            second_->lock_.lock();
    }
    BothLocked(BothLocked const&) = delete;
    BothLocked& operator=(BothLocked const&) = delete;
    ~BothLocked() {
        if (second_ != nullptr)
            second_->lock_.unlock();
        first_.lock_.unlock();
    }

  private:
    EventTable& first_;
    EventTable* second_;
};

/// The lowest free port. It stays free, and is given again, until it is bound.
Result<Port> EventTable::take_free_port() {
    if (retired_)
        return Err{Error::invalid};
    while (lowest_free_ < channels_.size() && channels_[lowest_free_].state != State::free)
        ++lowest_free_;
    if (lowest_free_ >= channels_.size())
        return Err{Error::no_space};
    if (Port const port{lowest_free_}; exists(port))
        return port;
    auto const grown = std::min<std::size_t>(limit().raw() + kGrowth, channels_.size());
    limit_.store(static_cast<std::uint32_t>(grown), std::memory_order_release);
    return Port{lowest_free_};
}

Port EventTable::bind(Port port, State state, std::uint32_t number, VcpuId vcpu) {
    Channel& one = channel(port);
    one.number = number;
    one.vcpu.store(static_cast<std::uint16_t>(vcpu.raw()), std::memory_order_relaxed);
    one.state = state;
    return port;
}

void EventTable::release(Port port) {
    Channel& one = channel(port);
    one.state = State::free;
    one.peer = nullptr;
    pending_.test_and_clear(port);
    lowest_free_ = std::min(lowest_free_, port.raw());
}

std::uint16_t& EventTable::virq_port(std::uint32_t virq, VcpuId vcpu) {
    auto const own = vcpu_virq_index(virq);
    return own ? vcpus_[vcpu.raw()].virq_ports[*own] : global_virq_ports_[virq];
}

Result<Port> EventTable::alloc_unbound(base::DomId remote) {
    LockGuard const guard{lock_};
    return bind(TRY(take_free_port()), State::unbound, remote.raw(), VcpuId{0});
}

Result<EventTable::Bound> EventTable::bind_interdomain(EventTable& remote, Port remote_port) {
    LockGuard const links{links_};
    BothLocked const both{*this, remote};

    Port const port = TRY(take_free_port());
    if (!remote.exists(remote_port))
        return Err{Error::invalid};
    Channel& there = remote.channel(remote_port);
    if (there.state != State::unbound || there.number != id_.raw())
        return Err{Error::invalid};

    channel(port).peer = &remote;
    bind(port, State::interdomain, remote_port.raw(), VcpuId{0});
    there.peer = this;
    there.number = port.raw();
    there.state = State::interdomain;

    // What the other end sent while nobody listened is lost. So the new end looks at once for what there is to do.
    return Bound{port, raise(port)};
}

Result<Port> EventTable::bind_virq(std::uint32_t virq, VcpuId vcpu) {
    if (virq >= kVirqs)
        return Err{Error::invalid};
    if (is_global(virq) && vcpu != VcpuId{0})
        return Err{Error::invalid};
    if (!has_vcpu(vcpu))
        return Err{Error::not_found};
    LockGuard const guard{lock_};
    std::uint16_t& bound = virq_port(virq, vcpu);
    if (bound != 0)
        return Err{Error::exists};
    Port const port = bind(TRY(take_free_port()), State::virq, virq, vcpu);
    bound = static_cast<std::uint16_t>(port.raw());
    return port;
}

Result<Port> EventTable::bind_ipi(VcpuId vcpu) {
    if (!has_vcpu(vcpu))
        return Err{Error::not_found};
    LockGuard const guard{lock_};
    return bind(TRY(take_free_port()), State::ipi, 0, vcpu);
}

Result<Port> EventTable::bind_pirq(std::uint32_t pirq) {
    LockGuard const guard{lock_};
    for (Channel const& one : channels_.first(limit().raw()))
        if (one.state == State::pirq && one.number == pirq)
            return Err{Error::exists};
    return bind(TRY(take_free_port()), State::pirq, pirq, VcpuId{0});
}

Result<EventTable::Closed> EventTable::close(Port port) {
    if (!exists(port))
        return Err{Error::invalid};
    // With the links locked nobody else makes or breaks one, so the peer that is seen here is still it below.
    LockGuard const links{links_};
    EventTable* peer = nullptr;
    {
        LockGuard const guard{lock_};
        peer = channel(port).peer;
    }
    BothLocked const both{*this, peer != nullptr ? *peer : *this};

    Channel& one = channel(port);
    Closed closed;
    switch (one.state) {
    case State::free: return Err{Error::invalid};
    case State::unbound:
    case State::ipi: break;
    case State::pirq: closed.pirq = one.number; break;
    case State::virq: virq_port(one.number, VcpuId{one.vcpu.load(std::memory_order_relaxed)}) = 0; break;
    case State::interdomain: {
        Channel& there = peer->channel(Port{one.number});
        there.peer = nullptr;
        there.number = id_.raw();
        there.state = State::unbound;
        break;
    }
    }
    release(port);
    return closed;
}

} // namespace events
