/// What a domain and its vCPUs look like to the toolstack: the same for domctl and sysctl.
#pragma once

#include "abi/toolstack.hpp"
#include "domain/domain.hpp"

namespace hypercall {

[[nodiscard]] xen_domctl_getdomaininfo_t info_of(domain::Domain& subject);

/// The first domain with an id from @p id on; null: there is none.
[[nodiscard]] domain::Domain* first_from(domain::System& system, std::uint32_t id);

} // namespace hypercall
