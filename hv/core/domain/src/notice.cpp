#include "domain/notice.hpp"

#include "domain/running.hpp"

namespace domain {
namespace {

bool polls_for(Vcpu const& vcpu, base::Port port) {
    if (!vcpu.polling.load(std::memory_order_seq_cst))
        return false;
    auto const polled = vcpu.polled.load(std::memory_order_relaxed);
    return polled == base::Port{} || polled == port;
}

} // namespace

void deliver(events::Notice const& notice) {
    if (notice.owner == nullptr)
        return;
    auto& owner = static_cast<Domain&>(*notice.owner);
    if (notice.upcall)
        if (Vcpu* const vcpu = owner.vcpu(notice.vcpu))
            notify(*vcpu);
    if (!notice.pending)
        return;
    // The port became pending before we look for pollers; they say that they poll before they look at the port.
    for (Vcpu* const vcpu : owner.vcpus)
        if (polls_for(*vcpu, notice.port))
            notify(*vcpu);
}

} // namespace domain
