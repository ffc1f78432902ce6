/// domctl: what a domain is told of the time of day and of its TSC (docs/abi.md §9.4).
#pragma once

#include "abi/toolstack.hpp"
#include "hypercall/call.hpp"

namespace hypercall {

/// Its wall clock runs so many seconds before UTC, as in a zone of the earth.
Answer set_time_offset(domain::Domain& subject, xen_domctl_t const& op);

/// A guest reads the CPU's own TSC. That is what modes 0 (emulated where it must be) and 2 (never) come to where it is
/// stable; mode 1 (always emulated) is Error::not_supported.
Answer set_tsc_info(domain::Domain& subject, xen_domctl_t const& op);
Answer get_tsc_info(Call& call, domain::Domain const& subject, xen_domctl_t& op);

} // namespace hypercall
