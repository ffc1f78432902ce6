#include "hypercall/domain_info.hpp"

#include <cstring>

#include "domain/memory.hpp"
#include "domain/special_gfns.hpp"

namespace hypercall {

using domain::Domain;
using domain::Vcpu;

namespace {

/// Every vCPU's share, and whether any of them runs, or none could.
void add_vcpus(Domain const& subject, xen_domctl_getdomaininfo_t& info) {
    bool all_blocked = true;
    auto const now = subject.system.now();
    info.max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    for (Vcpu const* const vcpu : subject.vcpus) {
        auto const& entity = vcpu->entity;
        info.max_vcpu_id = vcpu->id.raw();
        info.cpu_time += entity.runstate().up_to(now).time[RUNSTATE_running];
        if (vcpu->down.load(std::memory_order_relaxed))
            continue;
        ++info.nr_online_vcpus;
        all_blocked = all_blocked && entity.blocked();
        if (entity.place() == sched::Place::running)
            info.flags |= XEN_DOMINF_running;
    }
    if (all_blocked)
        info.flags |= XEN_DOMINF_blocked;
}

} // namespace

xen_domctl_getdomaininfo_t info_of(Domain& subject) {
    xen_domctl_getdomaininfo_t info{};
    auto const& quota = domain::quota(subject);
    info.domain = subject.id.raw();
    info.tot_pages = quota.total();
    info.max_pages = quota.limit();
    info.outstanding_pages = quota.claim();
    info.shared_info_frame = subject.translated() ? domain::kSharedInfoGfn.raw() : subject.shared_frame.raw();
    info.gpaddr_bits = subject.system.physical_address_bits;
    std::memcpy(info.handle, subject.handle, sizeof info.handle);
    if (subject.shut_down.load(std::memory_order_acquire))
        info.flags |= XEN_DOMINF_shutdown | (subject.shutdown_code.load() & XEN_DOMINF_shutdownmask)
                                                << XEN_DOMINF_shutdownshift;
    if (subject.dying.load(std::memory_order_acquire))
        info.flags |= XEN_DOMINF_dying;
    if (subject.pauses.load(std::memory_order_relaxed) != 0)
        info.flags |= XEN_DOMINF_paused;
    add_vcpus(subject, info);
    return info;
}

Domain* first_from(domain::System& system, std::uint32_t id) {
    for (; id < domain::kMaxDomains; ++id)
        if (Domain* const found = system.find_even_dying(base::DomId{static_cast<std::uint16_t>(id)}); found != nullptr)
            return found;
    return nullptr;
}

} // namespace hypercall
