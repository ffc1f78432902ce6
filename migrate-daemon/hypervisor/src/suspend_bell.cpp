#include "hypervisor/suspend_bell.hpp"

#include <cerrno>
#include <utility>

#include "abi/tern.h"

namespace hypervisor {

Result<SuspendBell> SuspendBell::of(Toolstack const& tools, std::uint32_t domain) {
    Channels channels{xenevtchn_open(nullptr, 0)};
    if (!channels)
        return fail_errno("there are no event channels", Kind::precondition, "is the module xen-evtchn loaded?");
    SuspendBell bell{tools, domain, std::move(channels)};
    auto const port = xenevtchn_bind_unbound_port(bell.channels_.get(), domain);
    if (port < 0)
        return fail_errno("there is no event channel left");
    if (int const answer = bell.set_port(static_cast<std::uint32_t>(port)); answer < 0) {
        errno = -answer;
        return fail_errno("the hypervisor does not tell when domain " + std::to_string(domain) + " suspends itself");
    }
    return bell;
}

SuspendBell::~SuspendBell() {
    if (channels_)
        static_cast<void>(set_port(0)); // the port goes with its handle
}

void SuspendBell::hear() {
    if (auto const port = xenevtchn_pending(channels_.get()); port >= 0)
        xenevtchn_unmask(channels_.get(), static_cast<evtchn_port_t>(port));
}

int SuspendBell::set_port(std::uint32_t port) const {
    tern_suspend_port request{.domain = static_cast<std::uint16_t>(domain_), .unused = 0, .port = port};
    return tools_->tern_call(TERN_set_suspend_port, request);
}

} // namespace hypervisor
