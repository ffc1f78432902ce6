/// domctl: what a domain has written, as a toolstack asks for it (docs/abi.md §9.4).
#pragma once

#include "abi/toolstack.hpp"
#include "hypercall/call.hpp"

namespace hypercall {

/// Off, on, and the bitmap: taken (CLEAN) or only read (PEEK). When it answers, the pages may be read.
Answer shadow_op(Call& call, domain::Domain& subject, xen_domctl_t& op);

} // namespace hypercall
