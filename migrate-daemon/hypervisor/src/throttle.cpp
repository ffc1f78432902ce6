#include "hypervisor/throttle.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "hypervisor/domains.hpp"
#include "policy/cap.hpp"

namespace hypervisor {
namespace {

Result<xen_domctl_sched_credit2> parameters_of(Toolstack const& tools, std::uint32_t domain) {
    xen_domctl_sched_credit2 parameters{};
    if (xc_sched_credit2_domain_get(tools.control(), domain, &parameters) != 0)
        return fail_errno("the cap of domain " + std::to_string(domain) + " is not told");
    return parameters;
}

} // namespace

Result<void> set_cap(Toolstack const& tools, std::uint32_t domain, std::uint16_t cap) {
    auto parameters = TRY(parameters_of(tools, domain));
    parameters.cap = cap;
    if (xc_sched_credit2_domain_set(tools.control(), domain, &parameters) != 0)
        return fail_errno("the cap of domain " + std::to_string(domain) + " cannot be set");
    return {};
}

Result<Throttle> Throttle::of(Toolstack const& tools, std::uint32_t domain) {
    Throttle throttle{tools, domain};
    throttle.vcpus_ = TRY(state_of(tools, domain)).vcpus;
    xc_physinfo_t machine{};
    if (xc_physinfo(tools.control(), &machine) == 0)
        throttle.vcpus_ = std::min(throttle.vcpus_, machine.nr_cpus);
    throttle.own_cap_ = throttle.cap_ = TRY(parameters_of(tools, domain)).cap;
    return throttle;
}

Throttle::Throttle(Throttle&& other) noexcept
    : tools_{other.tools_},
      domain_{other.domain_},
      vcpus_{other.vcpus_},
      own_cap_{other.own_cap_},
      cap_{std::exchange(other.cap_, other.own_cap_)} {}

Result<void> Throttle::take(double share) {
    auto const wanted = policy::cap_for(share, vcpus_, own_cap_);
    if (wanted == cap_)
        return {};
    TRY(set_cap(*tools_, domain_, wanted));
    cap_ = wanted;
    return {};
}

} // namespace hypervisor
