/// The order of locks: a CPU takes them in rising rank (docs/locking.md). One sentence each.
#pragma once

#include <cstdint>

namespace base {

enum class LockRank : std::uint8_t {
    domain_list,   ///< the list of domains: create, destroy, look-up by id
    domain,        ///< one domain's life and limits; two at once: lower id first
    grants,        ///< one domain's grant table and map track; two at once: lower id first
    paging,        ///< what the per-table lock bits do not cover: a domain's shadow pool and its eviction
    event_links,   ///< what links the event channels of two domains; before the tables of both
    events,        ///< one domain's event-channel table; two at once: lower id first
    vcpu,          ///< one vCPU's registrations, timers and saved state, against other vCPUs
    reservations,  ///< how much of each CPU is reserved
    run_queue,     ///< one CPU's run queue; never two at once
    budget,        ///< what is left of one domain's cap
    timers,        ///< one CPU's timer queue
    frames,        ///< the frame allocator
    roots,         ///< one CPU's root page, while it is copied or patched
    interrupts,    ///< which physical interrupt raises which event channel
    devices,       ///< a device of the machine that takes several accesses (PCI configuration, the real-time clock)
    console_input, ///< what was typed for domain 0
    console,       ///< the console; the last, so that anything may print
};

/// True for ranks of which two may be held at once, in the order that their sentence says.
constexpr bool nests(LockRank rank) {
    return rank == LockRank::domain || rank == LockRank::grants || rank == LockRank::events;
}

} // namespace base
