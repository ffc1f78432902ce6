/// domctl: making domains, stopping them and setting them going (docs/abi.md §9.4, §9.6).
#pragma once

#include "abi/toolstack.hpp"
#include "hypercall/call.hpp"

namespace hypercall {

/// An empty, translated domain, paused once; its id is in op.domain.
Answer create_domain(Call& call, xen_domctl_t& op);
Answer set_max_vcpus(Call& call, domain::Domain& subject, xen_domctl_t const& op);
Answer set_max_mem(domain::Domain& subject, xen_domctl_t const& op);
Answer pause_domain(Call& call, domain::Domain& subject);
Answer unpause_domain(Call& call, domain::Domain& subject);
/// All that it has goes back; how far that has come is the domain's own knowledge.
Answer destroy_domain(Call& call, xen_domctl_t const& op);
/// Its part of that: the uses of others' frames.
[[nodiscard]] base::Status release_grants(Call& call, domain::Domain& dying);
/// A first context for a vCPU; with VGCF_online it comes up.
Answer get_vcpu_context(Call& call, domain::Domain& subject, xen_domctl_t const& op);
/// The same again, or, without one, none: the vCPU is down until it gets a new one.
Answer set_vcpu_context(Call& call, domain::Domain& subject, xen_domctl_t const& op);
/// Fills a page of the domain's with the calls that older kernels make (XEN_DOMCTL_hypercall_init).
Answer init_hypercall_page(domain::Domain& subject, xen_domctl_t const& op);

} // namespace hypercall
