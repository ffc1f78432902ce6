/// What an event asks of its sender: whom to wake. Tables only set bits; the caller performs the notice after it has
/// let go of every table's lock.
#pragma once

#include "base/number.hpp"

namespace events {

/// Whose table it is: the domain derives from this, and casts a notice's owner back.
class Owner {
  protected:
    Owner() = default;
    ~Owner() = default;
    Owner(Owner const&) = delete;
    Owner& operator=(Owner const&) = delete;
};

/// To be performed before the CPU leaves the hypervisor: an owner's memory may be given back only after its ports
/// are all closed *and* every CPU has left the hypervisor once since. So no notice outlives its owner.
struct [[nodiscard]] Notice {
    Owner* owner = nullptr;
    base::VcpuId vcpu{};
    base::Port port{};
    bool pending = false; ///< the port was not pending before: wake who polls it (SCHEDOP_poll)
    bool upcall = false;  ///< `vcpu` has an upcall to take: wake it, or interrupt it if it runs
};

} // namespace events
