// event_channel_op (docs/abi.md §3.10).

#include "abi/xen.hpp"
#include "domain/notice.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::DomId;
using base::Err;
using base::Error;
using base::Port;
using base::VcpuId;
using domain::Domain;

/// The domain that @p id names: the caller's own, or any other that is there.
base::Result<Domain*> named(Call& call, domid_t id) {
    if (id == DOMID_SELF || DomId{id} == call.domain().id)
        return &call.domain();
    Domain* const other = call.domain().system.find(DomId{id});
    if (other == nullptr)
        return Err{Error::no_such_domain};
    return other;
}

/// The same, for what only a privileged domain may do to another.
base::Result<Domain*> managed(Call& call, domid_t id) {
    Domain* const subject = TRY(named(call, id));
    if (subject != &call.domain() && !call.domain().privileged)
        return Err{Error::not_permitted};
    return subject;
}

base::Result<DomId> resolve_id(Call& call, domid_t id) { return id == DOMID_SELF ? call.domain().id : DomId{id}; }

Answer alloc_unbound(Call& call) {
    auto request = TRY(call.read<evtchn_alloc_unbound_t>(1));
    Domain& owner = *TRY(managed(call, request.dom));
    DomId const remote = TRY(resolve_id(call, request.remote_dom));
    request.port = TRY(owner.events.alloc_unbound(remote)).raw();
    TRY(call.write(1, request));
    return 0;
}

Answer bind_interdomain(Call& call) {
    auto request = TRY(call.read<evtchn_bind_interdomain_t>(1));
    Domain& remote = *TRY(named(call, request.remote_dom));
    auto const bound = TRY(call.domain().events.bind_interdomain(remote.events, Port{request.remote_port}));
    domain::deliver(bound.notice);
    request.local_port = bound.port.raw();
    TRY(call.write(1, request));
    return 0;
}

Answer bind_virq(Call& call) {
    auto request = TRY(call.read<evtchn_bind_virq_t>(1));
    request.port = TRY(call.domain().events.bind_virq(request.virq, VcpuId{request.vcpu})).raw();
    TRY(call.write(1, request));
    return 0;
}

Answer bind_ipi(Call& call) {
    auto request = TRY(call.read<evtchn_bind_ipi_t>(1));
    request.port = TRY(call.domain().events.bind_ipi(VcpuId{request.vcpu})).raw();
    TRY(call.write(1, request));
    return 0;
}

/// Where the vCPU @p id of @p domain runs, or ran last: a good place to be interrupted for it.
base::CpuId home_of(Domain const& domain, VcpuId id) {
    auto const* const vcpu = domain.vcpu(id);
    return vcpu != nullptr ? vcpu->entity.home() : base::CpuId{0};
}

Answer bind_pirq(Call& call) {
    auto request = TRY(call.read<evtchn_bind_pirq_t>(1));
    Domain& domain = call.domain();
    auto& interrupts = domain.system.interrupts;
    if (!interrupts.has(domain.events, request.pirq))
        return Err{Error::invalid};
    Port const port = TRY(domain.events.bind_pirq(request.pirq));
    auto const connected = interrupts.connect(domain.events, request.pirq, port, home_of(domain, VcpuId{0}));
    if (!connected.ok()) {
        static_cast<void>(domain.events.close(port));
        return Err{connected.error()};
    }
    request.port = port.raw();
    TRY(call.write(1, request));
    return 0;
}

base::Status close_port(Domain& domain, Port port) {
    auto const closed = TRY(domain.events.close(port));
    if (closed.pirq)
        domain.system.interrupts.disconnect(domain.events, *closed.pirq);
    return {};
}

Answer close(Call& call) {
    auto const request = TRY(call.read<evtchn_close_t>(1));
    TRY(close_port(call.domain(), Port{request.port}));
    return 0;
}

Answer send(Call& call) {
    auto const request = TRY(call.read<evtchn_send_t>(1));
    domain::deliver(TRY(call.domain().events.send(Port{request.port})));
    return 0;
}

Answer unmask(Call& call) {
    auto const request = TRY(call.read<evtchn_unmask_t>(1));
    domain::deliver(TRY(call.domain().events.unmask(Port{request.port})));
    return 0;
}

Answer status(Call& call) {
    auto const request = TRY(call.read<evtchn_status_t>(1));
    Domain& subject = *TRY(managed(call, request.dom));
    auto answer = TRY(subject.events.status(Port{request.port}));
    answer.dom = request.dom;
    TRY(call.write(1, answer));
    return 0;
}

Answer bind_vcpu(Call& call) {
    auto const request = TRY(call.read<evtchn_bind_vcpu_t>(1));
    Domain& domain = call.domain();
    TRY(domain.events.bind_vcpu(Port{request.port}, VcpuId{request.vcpu}));
    if (auto const now = domain.events.status(Port{request.port}); now.ok() && now.value().status == EVTCHNSTAT_pirq)
        domain.system.interrupts.move(domain.events, now.value().u.pirq, home_of(domain, VcpuId{request.vcpu}));
    return 0;
}

Answer reset(Call& call) {
    auto const request = TRY(call.read<evtchn_reset_t>(1));
    Domain& subject = *TRY(managed(call, request.dom));
    for (std::uint32_t port = 1; port < subject.events.limit().raw(); ++port)
        static_cast<void>(close_port(subject, Port{port})); // a free port has nothing to close
    return 0;
}

// The FIFO ABI is refused once nothing is wrong with what was asked.

Answer init_control(Call& call) {
    auto const request = TRY(call.read<evtchn_init_control_t>(1));
    base::Status const status = call.domain().events.init_control(request);
    if (status.error() != Error::not_implemented)
        return Err{status.error()};
    auto& paging = call.domain().paging;
    auto const block = paging.hold(base::Gfn{request.control_gfn}, shadow_pt::Use::writable);
    if (!block)
        return Err{block.error() == Error::preempted ? Error::preempted : Error::invalid};
    paging.unhold(block.value(), shadow_pt::Use::writable);
    return Err{status.error()};
}

/// What there is without an init_control, which never comes about.
Answer expand_array(Call& call) {
    static_cast<void>(TRY(call.read<evtchn_expand_array_t>(1)));
    return Err{Error::not_supported};
}

Answer set_priority(Call& call) {
    auto const request = TRY(call.read<evtchn_set_priority_t>(1));
    TRY(call.domain().events.set_priority(request));
    return 0;
}

} // namespace

Answer event_channel_op(Call& call) {
    switch (call.u32(0)) {
    case EVTCHNOP_alloc_unbound: return alloc_unbound(call);
    case EVTCHNOP_bind_interdomain: return bind_interdomain(call);
    case EVTCHNOP_bind_virq: return bind_virq(call);
    case EVTCHNOP_bind_ipi: return bind_ipi(call);
    case EVTCHNOP_bind_pirq: return bind_pirq(call);
    case EVTCHNOP_close: return close(call);
    case EVTCHNOP_send: return send(call);
    case EVTCHNOP_unmask: return unmask(call);
    case EVTCHNOP_status: return status(call);
    case EVTCHNOP_bind_vcpu: return bind_vcpu(call);
    case EVTCHNOP_reset: return reset(call);
    case EVTCHNOP_init_control: return init_control(call);
    case EVTCHNOP_expand_array: return expand_array(call);
    case EVTCHNOP_set_priority: return set_priority(call);
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
