#include "domain/timers.hpp"

#include "arch/cpu.hpp"
#include "domain/domain.hpp"
#include "domain/notice.hpp"
#include "domain/running.hpp"

namespace domain {
namespace {

void raise_timer(void* context) {
    auto& vcpu = *static_cast<Vcpu*>(context);
    deliver(vcpu.domain.events.raise_virq(VIRQ_TIMER, vcpu.id));
}

void end_poll(void* context) { notify(*static_cast<Vcpu*>(context)); }

} // namespace

void bind_timers(Vcpu& vcpu) {
    vcpu.singleshot.bind(raise_timer, &vcpu);
    vcpu.periodic.bind(raise_timer, &vcpu);
    vcpu.poll_timeout.bind(end_poll, &vcpu);
}

void start_timer(Vcpu& vcpu, timing::Timer& timer, std::uint64_t deadline, std::uint64_t period) {
    // This CPU looks at its queue before it leaves the hypervisor: nobody need be told.
    static_cast<void>(vcpu.domain.system.this_cpu().timers.start(timer, deadline, period));
}

void set_singleshot_timer(Vcpu& vcpu, std::uint64_t deadline) {
    if (deadline == kNever)
        return stop_singleshot_timer(vcpu);
    start_timer(vcpu, vcpu.singleshot, vcpu.domain.host_time(deadline));
    vcpu.domain.stamps.sets_timer([&] { return vcpu.domain.system.now(); });
}
void stop_singleshot_timer(Vcpu& vcpu) {
    vcpu.singleshot.stop();
    vcpu.domain.stamps.stops_timer(vcpu.domain.system.now());
}

void set_periodic_timer(Vcpu& vcpu, std::uint64_t period) {
    start_timer(vcpu, vcpu.periodic, vcpu.domain.system.now() + period, period);
}
void stop_periodic_timer(Vcpu& vcpu) { vcpu.periodic.stop(); }

} // namespace domain
