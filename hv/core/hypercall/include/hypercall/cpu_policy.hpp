/// What the tools ask about the CPU that guests see: policies (lists of CPUID leaves and of MSRs) and feature sets.
#pragma once

#include "abi/toolstack.hpp"
#include "hypercall/call.hpp"
#include "record/layout.hpp"

namespace hypercall {

Answer get_system_cpu_policy(Call& call, xen_sysctl_t& op);
Answer get_featureset(Call& call, xen_sysctl_t& op);

/// What guests are told of this CPU, as a domain's record has it.
tern_record_cpu guest_cpu();

/// Every domain has the default policy of its kind: another is read, and not applied (docs/abi-coverage.md).
Answer get_domain_cpu_policy(Call& call, domain::Domain& subject, xen_domctl_t& op);
Answer set_domain_cpu_policy(Call& call, xen_domctl_t& op);

} // namespace hypercall
