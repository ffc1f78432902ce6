#include "hypercall/shares.hpp"

#include "domain/running.hpp"
#include "hypercall/cpu_map.hpp"
#include "sched/policy.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using domain::Domain;
using domain::Vcpu;

// What was set is told as it was set, also of CPUs that are not there.
Answer get_affinity(Call& call, Vcpu& vcpu, xen_domctl_vcpuaffinity const& request) {
    auto const affinities = vcpu.domain.system.scheduler.affinities(vcpu.entity);
    if ((request.flags & XEN_VCPUAFFINITY_HARD) != 0)
        TRY(write_cpus(call, request.cpumap_hard, affinities.hard));
    if ((request.flags & XEN_VCPUAFFINITY_SOFT) != 0)
        TRY(write_cpus(call, request.cpumap_soft, affinities.soft));
    return 0;
}

// Answers in the caller's maps what has come of it: the CPUs of them that are there.
Answer set_affinity(Call& call, Vcpu& vcpu, xen_domctl_vcpuaffinity const& request) {
    auto& system = vcpu.domain.system;
    auto effective = online_cpus();
    if ((request.flags & XEN_VCPUAFFINITY_HARD) != 0) {
        if (vcpu.overridden.load(std::memory_order_relaxed))
            return Err{Error::busy}; // its own choice holds until it ends it
        auto const hard = TRY(read_cpus(call, request.cpumap_hard));
        domain::perform(system, TRY(system.scheduler.set_affinity(vcpu.entity, hard, system.now())));
        effective &= hard;
        TRY(write_cpus(call, request.cpumap_hard, effective));
    }
    if ((request.flags & XEN_VCPUAFFINITY_SOFT) != 0) {
        auto const soft = TRY(read_cpus(call, request.cpumap_soft));
        system.scheduler.set_soft_affinity(vcpu.entity, soft);
        effective &= system.scheduler.affinities(vcpu.entity).hard;
        effective &= soft;
        TRY(write_cpus(call, request.cpumap_soft, effective));
    }
    return 0;
}

Answer set_weight(Domain& subject, std::uint32_t weight) {
    auto& system = subject.system;
    for (Vcpu* const vcpu : subject.vcpus)
        TRY(system.scheduler.set_weight(vcpu->entity, weight, system.now()));
    return 0;
}

} // namespace

Answer vcpu_affinity(Call& call, Domain& subject, xen_domctl_t const& op) {
    auto const& request = op.u.vcpuaffinity;
    auto* const vcpu = subject.vcpu(base::VcpuId{request.vcpu});
    if (vcpu == nullptr || (request.flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) == 0)
        return Err{Error::invalid};
    return op.cmd == XEN_DOMCTL_getvcpuaffinity ? get_affinity(call, *vcpu, request)
                                                : set_affinity(call, *vcpu, request);
}

Answer domain_share(Call& call, Domain& subject, xen_domctl_t& op) {
    auto& request = op.u.scheduler_op;
    auto& share = request.u.credit2;
    if (request.sched_id != kScheduler || subject.vcpus.empty())
        return Err{Error::invalid};
    switch (request.cmd) {
    case XEN_DOMCTL_SCHEDOP_getinfo:
        share.weight = static_cast<std::uint16_t>(subject.vcpus[0]->entity.weight());
        share.cap = subject.budget.cap();
        TRY(call.write(0, op));
        return 0;
    case XEN_DOMCTL_SCHEDOP_putinfo:
        if (share.weight != 0) // 0: as it is
            TRY(set_weight(subject, share.weight));
        subject.budget.set_cap(share.cap);
        return 0;
    default: return Err{Error::invalid};
    }
}

Answer scheduler_parameters(Call& call, xen_sysctl_t& op) {
    constexpr std::uint32_t kRateLimit = sched::kLeastRun / 1000; // in microseconds
    auto& request = op.u.scheduler_op;
    if (request.cpupool_id != kCpuPool)
        return Err{Error::no_such_domain};
    if (request.sched_id != kScheduler)
        return Err{Error::invalid};
    auto& limit = request.u.sched_credit2.ratelimit_us;
    switch (request.cmd) {
    case XEN_SYSCTL_SCHEDOP_putinfo: return limit == kRateLimit ? Answer{0} : Err{Error::not_supported};
    case XEN_SYSCTL_SCHEDOP_getinfo:
        limit = kRateLimit;
        TRY(call.write(0, op));
        return 0;
    default: return Err{Error::invalid};
    }
}

} // namespace hypercall
