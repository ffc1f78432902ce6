// domctl: the toolstack about one domain (docs/abi.md §9.4). For now what shows a domain; making and changing them is
// refused (docs/abi-coverage.md).

#include <cstring>

#include "abi/toolstack.hpp"
#include "hypercall/domain_info.hpp"
#include "hypercall/handlers.hpp"
#include "hypercall/shares.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;

base::Result<Domain*> named(Call& call, domid_t id) {
    Domain* const found = id == DOMID_SELF ? &call.domain() : call.domain().system.find(base::DomId{id});
    if (found == nullptr)
        return Err{Error::no_such_domain};
    return found;
}

Answer get_domain_info(Call& call, xen_domctl_t& op) {
    Domain* const found = op.domain == DOMID_SELF ? &call.domain() : first_from(call.domain().system, op.domain);
    if (found == nullptr)
        return Err{Error::no_such_domain};
    op.u.getdomaininfo = info_of(*found);
    op.domain = op.u.getdomaininfo.domain;
    TRY(call.write(0, op));
    return 0;
}

Answer get_vcpu_info(Call& call, xen_domctl_t& op) {
    Domain const& subject = *TRY(named(call, op.domain));
    auto& info = op.u.getvcpuinfo;
    auto const* const vcpu = subject.vcpu(base::VcpuId{info.vcpu});
    if (vcpu == nullptr)
        return Err{Error::invalid};
    auto const& entity = vcpu->entity;
    info.online = !vcpu->down.load(std::memory_order_relaxed);
    info.blocked = entity.blocked();
    info.running = entity.place() == sched::Place::running;
    info.cpu_time = entity.runstate().up_to(subject.system.now()).time[RUNSTATE_running];
    info.cpu = entity.home().raw();
    TRY(call.write(0, op));
    return 0;
}

Answer set_handle(Call& call, xen_domctl_t const& op) {
    Domain& subject = *TRY(named(call, op.domain));
    std::memcpy(subject.handle, op.u.setdomainhandle.handle, sizeof subject.handle);
    return 0;
}

Answer get_address_size(Call& call, xen_domctl_t& op) {
    static_cast<void>(TRY(named(call, op.domain)));
    op.u.address_size.size = 64;
    TRY(call.write(0, op));
    return 0;
}

Answer affinity(Call& call, xen_domctl_t const& op) { return vcpu_affinity(call, *TRY(named(call, op.domain)), op); }

Answer share(Call& call, xen_domctl_t& op) { return domain_share(call, *TRY(named(call, op.domain)), op); }

} // namespace

Answer domctl(Call& call) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    auto op = TRY(call.read<xen_domctl_t>(0));
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return Err{Error::access_denied};
    switch (op.cmd) {
    case XEN_DOMCTL_getdomaininfo: return get_domain_info(call, op);
    case XEN_DOMCTL_getvcpuinfo: return get_vcpu_info(call, op);
    case XEN_DOMCTL_setvcpuaffinity:
    case XEN_DOMCTL_getvcpuaffinity: return affinity(call, op);
    case XEN_DOMCTL_scheduler_op: return share(call, op);
    case XEN_DOMCTL_setdomainhandle: return set_handle(call, op);
    case XEN_DOMCTL_get_address_size: return get_address_size(call, op);
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
