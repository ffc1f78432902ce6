// sched_op: giving up the CPU, for a moment or for good (docs/abi.md §3.6).

#include "abi/xen.hpp"
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

    // From here on a raise of any of the guest's ports sees a poller: one that comes before our look at the pending
    // bits is seen by the look, one that comes after wakes us.
    domain::Polling polling{call.vcpu};
    for (std::uint32_t i = 0; i < request.nr_ports; ++i)
        if (TRY(call.domain().events.is_pending(base::Port{TRY(ports.read(i))})))
            return 0;
    polling.block_until(request.timeout);
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
        domain::shut_down(call.domain(), request.reason);
        return 0;
    }
    case SCHEDOP_shutdown_code: {
        auto const request = TRY(call.read<sched_shutdown_t>(1));
        call.domain().shutdown_code = request.reason;
        return 0;
    }
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
