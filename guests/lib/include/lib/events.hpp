/// Event channels, the 2-level ABI: ports of the guest's own, and what comes in through the event callback.
#pragma once

#include <cstdint>

#include "lib/hypercall.hpp"

namespace lib {

using Port = evtchn_port_t;

// --- the hypercalls; those that make a port answer it, or an errno ----------------------------------------------------

std::int64_t alloc_unbound(domid_t remote = DOMID_SELF, domid_t domain = DOMID_SELF);
std::int64_t bind_interdomain(Port remote_port, domid_t remote = DOMID_SELF);
std::int64_t bind_virq(unsigned virq, unsigned vcpu = 0);
std::int64_t bind_ipi(unsigned vcpu);
std::int64_t send(Port port);
std::int64_t unmask(Port port);
std::int64_t close(Port port);

/// Waits until one of @p ports is pending or the system time is @p deadline (0: for ever).
std::int64_t poll(Port const* ports, unsigned count, std::uint64_t deadline = 0);

// --- the bits in shared_info -------------------------------------------------------------------------------------------

bool is_pending(Port port);
bool is_masked(Port port);
void set_masked(Port port, bool masked);
void clear_pending(Port port);

/// How often @p port has come in through the callback.
unsigned taken(Port port);
void forget_taken(Port port);

/// Events are let in on this vCPU, as STI would; what is pending comes in at once.
void let_events_in();
/// Events are kept out; answers whether they were before.
bool keep_events_out();
/// As let_events_in, while this lives.
class EventsIn {
  public:
    EventsIn() { let_events_in(); }
    ~EventsIn() { keep_events_out(); }
    EventsIn(EventsIn const&) = delete;
    EventsIn& operator=(EventsIn const&) = delete;
};

/// Blocks until @p done says so, which an event must bring about. Events are kept out while it is asked, and let in by
/// blocking itself: one that comes in between would be taken, and then slept upon. They are kept out afterwards.
template <typename Condition> void sleep_until(Condition const& done) {
    for (keep_events_out(); !done(); keep_events_out())
        sched_op(SCHEDOP_block);
}

/// The event callback: takes every pending port that is not masked. True if that is what the callback is to do.
bool take_events();

// --- time ----------------------------------------------------------------------------------------------------------------

/// System time in nanoseconds, by this vCPU's time area.
std::uint64_t now();
inline constexpr std::uint64_t kMillisecond = 1'000'000;

} // namespace lib
