/// domctl: what a domain has written, as a toolstack asks for it (docs/abi.md §9.4).
#pragma once

#include "abi/toolstack.hpp"
#include "hypercall/call.hpp"

namespace hypercall {

/// Off, on, and the bitmap: taken (CLEAN) or only read (PEEK). When it answers, the pages may be read.
Answer shadow_op(Call& call, domain::Domain& subject, xen_domctl_t& op);

/// The most that the shadows of a domain may take, in bytes; setting it evicts what is beyond. It stands until the domain's
/// maximum of memory is set again. `invalid`: less than one can run on.
Answer get_shadow_pool(Call& call, domain::Domain& subject, xen_domctl_t& op);
Answer set_shadow_pool(domain::Domain& subject, xen_domctl_t const& op);

} // namespace hypercall
