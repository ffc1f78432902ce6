/// domctl: what a toolstack saves of a domain beside its pages and contexts, and gives to another (docs/abi.md §8.1, §9.4).
#pragma once

#include "abi/toolstack.hpp"
#include "hypercall/call.hpp"

namespace hypercall {

/// What each of a list of frames is: no frame, memory, a table of a level, pinned or not.
Answer get_page_types(Call& call, domain::Domain& subject, xen_domctl_t& op);
/// The entry points that vcpu_guest_context has no room for.
Answer get_further_context(Call& call, domain::Domain& subject, xen_domctl_t& op);
Answer set_further_context(Call& call, domain::Domain& subject, xen_domctl_t const& op);
/// x87, SSE, AVX...: XCR0, twice, and an XSAVE area in the standard format.
Answer get_extended_state(Call& call, domain::Domain& subject, xen_domctl_t& op);
Answer set_extended_state(Call& call, domain::Domain& subject, xen_domctl_t const& op);
/// MSRs that are a guest's own: none, so far.
Answer get_msrs(Call& call, domain::Domain& subject, xen_domctl_t& op);
Answer set_msrs(domain::Domain& subject, xen_domctl_t const& op);
/// A domain that has shut itself down, as to be suspended, goes on where it was.
Answer resume_domain(Call& call, domain::Domain& subject);

} // namespace hypercall
