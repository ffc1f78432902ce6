/// What the tools see and set of the scheduler (domctl and sysctl *_scheduler_op, *_vcpuaffinity). To them it is credit2:
/// fair by weight over all CPUs. Caps and another rate limit than ours are refused: there is nothing yet that would keep
/// them.
#pragma once

#include "abi/toolstack.hpp"
#include "hypercall/call.hpp"

namespace hypercall {

inline constexpr std::uint32_t kScheduler = XEN_SCHEDULER_CREDIT2;
inline constexpr std::uint32_t kCpuPool = 0; ///< the only one

Answer vcpu_affinity(Call& call, domain::Domain& subject, xen_domctl_t const& op);
Answer domain_share(Call& call, domain::Domain& subject, xen_domctl_t& op);
Answer scheduler_parameters(Call& call, xen_sysctl_t& op);

} // namespace hypercall
