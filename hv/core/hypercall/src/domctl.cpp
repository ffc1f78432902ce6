// domctl: the toolstack about one domain (docs/abi.md §9.4). What is refused is in
// docs/abi-coverage.md.

#include <cstring>

#include "abi/toolstack.hpp"
#include "domain/running.hpp"
#include "hypercall/cpu_map.hpp"
#include "hypercall/cpu_policy.hpp"
#include "hypercall/domain_info.hpp"
#include "hypercall/domain_life.hpp"
#include "hypercall/domain_time.hpp"
#include "hypercall/handlers.hpp"
#include "hypercall/saved_state.hpp"
#include "hypercall/shadow_op.hpp"
#include "hypercall/shares.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;

base::Result<Domain*> named(Call& call, domid_t id) {
    Domain* const found = call.domain().system.find(base::DomId{id});
    if (found == nullptr)
        return Err{Error::no_such_domain};
    return found;
}

Answer get_domain_info(Call& call, xen_domctl_t& op) {
    if (op.domain >= DOMID_FIRST_RESERVED)
        return Err{Error::invalid};
    Domain* const found = first_from(call.domain().system, op.domain);
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

/// Every guest is one of 64 bits.
Answer set_address_size(xen_domctl_t const& op) {
    if (op.u.address_size.size != 64)
        return Err{Error::invalid};
    return 0;
}

/// There is one node.
Answer node_affinity(Call& call, xen_domctl_t const& op) {
    if (op.cmd == XEN_DOMCTL_setnodeaffinity)
        return 0;
    sched::Affinity only;
    only.set(0);
    TRY(write_cpus(call, op.u.nodeaffinity.nodemap, only));
    return 0;
}

/// Of what a machine's buttons and its operator could do, a paravirtual guest knows the NMI.
Answer send_trigger(Domain& subject, xen_domctl_t const& op) {
    auto* const vcpu = subject.vcpu(base::VcpuId{op.u.sendtrigger.vcpu});
    if (vcpu == nullptr)
        return Err{Error::no_such_domain};
    switch (op.u.sendtrigger.trigger) {
    case XEN_DOMCTL_SENDTRIGGER_NMI:
        vcpu->nmi_pending.store(true, std::memory_order_release);
        domain::notify(*vcpu);
        return 0;
    case XEN_DOMCTL_SENDTRIGGER_POWER:
    case XEN_DOMCTL_SENDTRIGGER_SLEEP: return Err{Error::invalid};
    default: return Err{Error::not_implemented};
    }
}

/// What changes a domain, or asks about more than how it is.
Answer manage(Call& call, Domain& subject, xen_domctl_t& op) {
    switch (op.cmd) {
    case XEN_DOMCTL_max_vcpus: return set_max_vcpus(call, subject, op);
    case XEN_DOMCTL_max_mem: return set_max_mem(subject, op);
    case XEN_DOMCTL_pausedomain: return pause_domain(call, subject);
    case XEN_DOMCTL_unpausedomain: return unpause_domain(call, subject);
    case XEN_DOMCTL_getvcpucontext: return get_vcpu_context(call, subject, op);
    case XEN_DOMCTL_setvcpucontext: return set_vcpu_context(call, subject, op);
    case XEN_DOMCTL_hypercall_init: return init_hypercall_page(subject, op);
    case XEN_DOMCTL_set_address_size: return set_address_size(op);
    case XEN_DOMCTL_settscinfo: return set_tsc_info(subject, op);
    case XEN_DOMCTL_gettscinfo: return get_tsc_info(call, subject, op);
    case XEN_DOMCTL_setnodeaffinity:
    case XEN_DOMCTL_getnodeaffinity: return node_affinity(call, op);
    case XEN_DOMCTL_settimeoffset: return set_time_offset(subject, op);
    case XEN_DOMCTL_getpageframeinfo3: return get_page_types(call, subject, op);
    case XEN_DOMCTL_get_ext_vcpucontext: return get_further_context(call, subject, op);
    case XEN_DOMCTL_set_ext_vcpucontext: return set_further_context(call, subject, op);
    case XEN_DOMCTL_getvcpuextstate: return get_extended_state(call, subject, op);
    case XEN_DOMCTL_setvcpuextstate: return set_extended_state(call, subject, op);
    case XEN_DOMCTL_get_vcpu_msrs: return get_msrs(call, subject, op);
    case XEN_DOMCTL_set_vcpu_msrs: return set_msrs(subject, op);
    case XEN_DOMCTL_resumedomain: return resume_domain(call, subject);
    case XEN_DOMCTL_shadow_op: return shadow_op(call, subject, op);
    case XEN_DOMCTL_sendtrigger: return send_trigger(subject, op);
    case XEN_DOMCTL_get_paging_mempool_size: return get_shadow_pool(call, subject, op);
    case XEN_DOMCTL_set_paging_mempool_size: return set_shadow_pool(subject, op);
    case XEN_DOMCTL_get_cpu_policy: return get_domain_cpu_policy(call, subject, op);
    case XEN_DOMCTL_set_cpu_policy: return set_domain_cpu_policy(call, op);
    default: return Err{Error::not_implemented};
    }
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
    case XEN_DOMCTL_destroydomain: return destroy_domain(call, op);
    case XEN_DOMCTL_createdomain: return create_domain(call, op);
    default: return manage(call, *TRY(named(call, op.domain)), op);
    }
}

} // namespace hypercall
