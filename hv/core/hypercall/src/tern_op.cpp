// tern_op: what Xen does not know (abi/tern.h).

#include "abi/tern.h"

#include "domain/hollow.hpp"
#include "domain/running.hpp"
#include "hypercall/handlers.hpp"
#include "hypercall/harvest_op.hpp"
#include "hypercall/pages.hpp"
#include "hypercall/record.hpp"
#include "hypercall/stamps.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;

Answer reservation(Call& call) {
    auto request = TRY(call.read<tern_reservation>(1));
    auto& system = call.domain().system;
    auto* const subject = system.find(base::DomId{request.domain});
    if (subject == nullptr)
        return Err{Error::no_such_domain};
    auto* const vcpu = subject->vcpu(base::VcpuId{request.vcpu});
    if (vcpu == nullptr)
        return Err{Error::not_found};
    if (call.u32(0) == TERN_set_reservation) {
        sched::Reservation const wanted{.period = request.period, .slice = request.slice};
        domain::perform(system, TRY(system.scheduler.reserve(vcpu->entity, wanted, system.now())));
        return 0;
    }
    auto const held = system.scheduler.reservation(vcpu->entity);
    request.period = held.period;
    request.slice = held.slice;
    TRY(call.write(1, request));
    return 0;
}

base::Result<domain::Domain*> another(Call& call, std::uint16_t id) {
    auto* const subject = call.domain().system.find(base::DomId{id});
    if (subject == nullptr)
        return Err{Error::no_such_domain};
    if (subject == &call.domain())
        return Err{Error::invalid};
    return subject;
}

Answer hollow_out(Call& call) {
    auto request = TRY(call.read<tern_hollow>(1));
    base::Gfn cursor{request.cursor};
    auto const status = domain::hollow_out(*TRY(another(call, request.domain)), cursor);
    if (!status && status.error() == Error::preempted) {
        request.cursor = cursor.raw();
        TRY(call.write(1, request));
    }
    TRY(status);
    return 0;
}

Answer swap_frames(Call& call) {
    auto const request = TRY(call.read<tern_swap>(1));
    TRY(domain::swap_frames(*TRY(another(call, request.domain)), base::Gfn{request.one}, base::Gfn{request.other}));
    return 0;
}

Answer set_suspend_port(Call& call) {
    auto const request = TRY(call.read<tern_suspend_port>(1));
    auto* const subject = TRY(another(call, request.domain));
    if (request.port != 0 && !call.domain().events.waits_for(base::Port{request.port}, subject->id))
        return Err{Error::invalid};
    subject->suspend_port.store(request.port);
    return 0;
}

} // namespace

Answer tern_op(Call& call) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    switch (call.u32(0)) {
    case TERN_set_reservation:
    case TERN_get_reservation: return reservation(call);
    case TERN_get_record: return get_record(call);
    case TERN_set_record: return set_record(call);
    case TERN_hollow_out: return hollow_out(call);
    case TERN_swap_frames: return swap_frames(call);
    case TERN_write_pages: return write_pages(call);
    case TERN_read_pages: return read_pages(call);
    case TERN_get_stamps: return get_stamps(call);
    case TERN_track: return track(call);
    case TERN_harvest: return harvest(call);
    case TERN_set_suspend_port: return set_suspend_port(call);
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
