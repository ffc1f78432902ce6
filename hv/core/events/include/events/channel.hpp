/// One event channel, as its table keeps it. A port is the index of a channel.
///
///     free ----> unbound ----> interdomain      both ends; closing one end makes the other unbound again
///          ----> virq | ipi | pirq              closing makes it free
#pragma once

#include <atomic>
#include <cstdint>

namespace events {

class EventTable;

enum class State : std::uint8_t {
    free,
    unbound,     ///< waits for the domain `number` to bind to it
    interdomain, ///< bound to port `number` of `peer`
    virq,        ///< raised by VIRQ `number`
    ipi,         ///< raised by the domain itself, on one vCPU
    pirq,        ///< raised by the physical interrupt `number`
};

struct Channel {
    EventTable* peer = nullptr;
    std::uint32_t number = 0;
    /// The vCPU to notify. The other end of an interdomain channel reads it under its own lock only.
    std::atomic<std::uint16_t> vcpu{0};
    State state = State::free;
};
static_assert(sizeof(Channel) == 16);

} // namespace events
