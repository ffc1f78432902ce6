/// Who may own a frame besides the domains: Xen's reserved ids (<xen/xen.h>).
#pragma once

#include "abi/xen.hpp"
#include "base/number.hpp"

namespace mm {

inline constexpr base::DomId kHypervisor{DOMID_XEN}; ///< the hypervisor's own pages
inline constexpr base::DomId kNobody{DOMID_INVALID}; ///< free, in quarantine, or not RAM

/// True for an id that a domain can have.
constexpr bool is_domain(base::DomId id) { return id.raw() < DOMID_FIRST_RESERVED; }

} // namespace mm
