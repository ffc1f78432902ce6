#include "domain/running.hpp"

#include "arch/cpu.hpp"
#include "domain/domain.hpp"
#include "domain/lifecycle.hpp"
#include "domain/shared_words.hpp"
#include "domain/timers.hpp"

namespace domain {

void perform(System& system, sched::Kick const& kick) {
    if (!kick.cpu)
        return;
    system.cpus[kick.cpu->raw()].requests.fetch_or(request_look, std::memory_order_seq_cst);
    if (*kick.cpu != arch::this_cpu())
        arch::kick(*kick.cpu);
}

void notify(Vcpu& vcpu) {
    auto& system = vcpu.domain.system;
    perform(system, system.scheduler.wake(vcpu.entity, system.now()));
    perform(system, system.scheduler.runs_on(vcpu.entity));
}

void yield(Vcpu& vcpu) {
    auto& system = vcpu.domain.system;
    system.scheduler.yield(vcpu.entity);
    system.this_cpu().requests.fetch_or(request_look, std::memory_order_relaxed);
}

namespace {

/// Waits, unless there is something to see already: that may have come before the flag was set, or after.
void wait_unless_due(Vcpu& vcpu, bool due_already) {
    auto& system = vcpu.domain.system;
    if (due_already || vcpu.nmi_pending.load(std::memory_order_seq_cst))
        perform(system, system.scheduler.wake(vcpu.entity, system.now()));
    system.this_cpu().requests.fetch_or(request_look, std::memory_order_relaxed);
}

} // namespace

void block(Vcpu& vcpu) {
    auto& system = vcpu.domain.system;
    set_upcall_mask(vcpu, false);
    system.scheduler.block(vcpu.entity);
    wait_unless_due(vcpu, upcall_pending(vcpu));
}

Polling::Polling(Vcpu& vcpu, base::Port only) : vcpu_{vcpu} {
    vcpu_.domain.system.scheduler.block(vcpu_.entity);
    vcpu_.polled.store(only, std::memory_order_relaxed); // seen with the flag
    vcpu_.polling.store(true, std::memory_order_seq_cst);
}

Polling::~Polling() {
    if (waits_)
        return;
    auto& system = vcpu_.domain.system;
    vcpu_.polling.store(false, std::memory_order_seq_cst);
    perform(system, system.scheduler.wake(vcpu_.entity, system.now()));
}

void Polling::block_until(std::uint64_t deadline) {
    auto& system = vcpu_.domain.system;
    waits_ = true;
    auto const until = vcpu_.domain.host_time(deadline);
    bool const past = deadline != 0 && until <= system.now();
    if (deadline != 0 && !past)
        start_timer(vcpu_, vcpu_.poll_timeout, until);
    wait_unless_due(vcpu_, past || upcall_due(vcpu_));
}

void end_polling(Vcpu& vcpu) {
    if (!vcpu.polling.exchange(false, std::memory_order_seq_cst))
        return;
    vcpu.poll_timeout.stop();
}

void wait_until_off(Vcpu const& vcpu) {
    while (!vcpu.entity.off())
        arch::relax();
}

Stopped::Stopped(Vcpu& vcpu) : vcpu_{vcpu} {
    auto& system = vcpu.domain.system;
    perform(system, system.scheduler.pause(vcpu.entity, system.now()));
    wait_until_off(vcpu);
}

Stopped::~Stopped() {
    auto& system = vcpu_.domain.system;
    perform(system, system.scheduler.resume(vcpu_.entity, system.now()));
}

// Who is down has been paused once for it, at every moment that another CPU can see: so take_down() pauses first, and
// bring_up() resumes last.

void bring_up(Vcpu& vcpu) {
    auto& system = vcpu.domain.system;
    if (!vcpu.down.exchange(false, std::memory_order_seq_cst))
        return;
    perform(system, system.scheduler.resume(vcpu.entity, system.now()));
}

namespace {

/// False if it was down already.
bool put_down(Vcpu& vcpu) {
    auto& system = vcpu.domain.system;
    sched::Kick const kick = system.scheduler.pause(vcpu.entity, system.now());
    if (vcpu.down.exchange(true, std::memory_order_seq_cst)) {
        perform(system, system.scheduler.resume(vcpu.entity, system.now()));
        return false;
    }
    stop_singleshot_timer(vcpu);
    stop_periodic_timer(vcpu);
    perform(system, kick);
    return true;
}

} // namespace

void take_down(Vcpu& vcpu) {
    if (!put_down(vcpu))
        return;
    bool others_up = false;
    for (Vcpu const* const other : vcpu.domain.vcpus)
        others_up = others_up || !other->down.load(std::memory_order_seq_cst);
    if (!others_up)
        shut_down(vcpu.domain, SHUTDOWN_poweroff);
}

void keep_down(Vcpu& vcpu) { static_cast<void>(put_down(vcpu)); }

void start_over(Vcpu& vcpu) {
    auto& system = vcpu.domain.system;
    static_cast<void>(put_down(vcpu));
    end_polling(vcpu);
    perform(system, system.scheduler.wake(vcpu.entity, system.now()));
}

} // namespace domain
