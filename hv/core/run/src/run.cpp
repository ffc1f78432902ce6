#include "run/run.hpp"

#include <algorithm>
#include <utility>

#include "arch/cpu.hpp"
#include "domain/areas.hpp"
#include "domain/domain.hpp"
#include "domain/lifecycle.hpp"
#include "domain/running.hpp"
#include "domain/shared_words.hpp"
#include "guest/bounce.hpp"
#include "guest/exceptions.hpp"
#include "guest/iret.hpp"
#include "guest/page_fault.hpp"
#include "guest/switch.hpp"
#include "hypercall/dispatch.hpp"

namespace run {
namespace {

using domain::Cpu;
using domain::System;
using domain::Vcpu;

/// The vCPU that a scheduler's entity belongs to.
Vcpu& vcpu_of(sched::Entity& entity) { return static_cast<domain::ScheduledVcpu&>(entity).vcpu; }

void come_out(Cpu& cpu) { cpu.in_guest.store(false, std::memory_order_release); }

/// True if the CPU may enter its guest: nobody has asked anything of it since it last looked.
bool may_go_in(Cpu& cpu) {
    cpu.in_guest.store(true, std::memory_order_seq_cst);
    if (cpu.requests.load(std::memory_order_seq_cst) == 0)
        return true;
    come_out(cpu);
    return false;
}

/// When this CPU has something to do next, in system time.
std::uint64_t next_deadline(Cpu const& cpu) { return std::min(cpu.timers.next_deadline(), cpu.decision_ends); }

/// The CPU is at the door, and holds no pointer to a domain that it has found.
void pass(Cpu& cpu) { cpu.passes.store(cpu.passes.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

/// Has the hardware timer fire when this CPU has something to do, or before: then there is nothing to do, and it is set again. A
/// guest that sleeps and wakes moves its deadline ahead of itself each time, and setting the timer costs more than one that
/// fires in vain now and then.
void set_alarm(System& system, Cpu& cpu) {
    std::uint64_t const deadline = next_deadline(cpu);
    if (deadline >= cpu.alarm)
        return;
    cpu.alarm = deadline;
    arch::set_timer(system.clock.tsc_at(deadline));
}

void put_on(System& system, Cpu& cpu, Vcpu& vcpu, arch::Registers& frame) {
    // Who changes this vCPU's tables from now on sees it here and asks this CPU to flush; what was changed before,
    // the flush in load() covers.
    cpu.current.store(&vcpu, std::memory_order_seq_cst);
    base::Status const loaded = guest::load(vcpu, frame);
    system.flush_clock.flush_here();
    domain::end_polling(vcpu);
    domain::write_time(vcpu);
    domain::write_runstate_area(vcpu);
    if (!loaded)
        domain::crash(vcpu.domain, "its segments cannot be loaded, and there is no failsafe callback", frame);
}

/// Asks the scheduler who is next, and makes it so. False: nobody.
bool switch_to_next(System& system, Cpu& cpu, arch::Registers& frame) {
    auto const self = arch::this_cpu();
    auto const now = system.now();
    auto const decision = system.scheduler.schedule(self, now);
    cpu.decision_ends = decision.until;
    decision.kicks.for_each(
        [&](std::size_t other) { domain::perform(system, {base::CpuId{static_cast<std::uint32_t>(other)}}); });
    bool const rested = std::exchange(cpu.resting, false);
    if (decision.previous != nullptr && !rested)
        vcpu_of(*decision.previous).left.store(now, std::memory_order_relaxed);
    if (decision.next == nullptr && decision.previous != nullptr) {
        cpu.resting = system.scheduler.rest(*decision.previous);
        if (cpu.resting)
            return false;
    }
    if (decision.previous != nullptr) {
        Vcpu& previous = vcpu_of(*decision.previous);
        guest::save(previous, frame);
        cpu.current.store(nullptr, std::memory_order_seq_cst);
        domain::perform(system, system.scheduler.context_saved(previous.entity, system.now()));
    }
    if (decision.next == nullptr)
        return false;
    Vcpu& next = vcpu_of(*decision.next);
    if (cpu.current.load(std::memory_order_relaxed) != &next) {
        put_on(system, cpu, next, frame);
    } else {
        domain::end_polling(next); // it was about to wait, and need not
        if (rested)
            domain::write_runstate_area(next);
    }
    next.domain.stamps.runs([&] { return system.now(); });
    return true;
}

/// Delivers what is due to @p vcpu: at most one of each, since each masks itself.
void deliver_events(Vcpu& vcpu, arch::Registers& frame) {
    base::Status status{};
    bool const nmi_ready = !vcpu.in_nmi && vcpu.traps[domain::kNmiVector].address != 0;
    if (nmi_ready && vcpu.nmi_pending.exchange(false, std::memory_order_acq_rel)) {
        vcpu.in_nmi = true;
        status = guest::bounce_exception(vcpu, frame, domain::kNmiVector);
    }
    if (status && domain::upcall_due(vcpu))
        status = guest::bounce_to_kernel(vcpu, frame, {vcpu.event_callback.address, true, {}});
    if (!status)
        domain::crash(vcpu.domain, "an event cannot be delivered: no callback, or no kernel stack to write to", frame);
}

bool event_due(Vcpu const& vcpu) {
    return domain::upcall_due(vcpu) || vcpu.nmi_pending.load(std::memory_order_relaxed);
}

/// What a guest does most, into its kernel and back, without coming out of it: the CPU still counts as in the guest, so
/// that nothing is locked, mended or asked. False: nothing has happened.
bool answered_in_guest(Vcpu& vcpu, arch::Registers& frame) {
    if (frame.vector != arch::kSyscallVector)
        return frame.vector == guest::kPageFault && guest::page_fault_in_guest(vcpu, frame);
    if (!vcpu.in_kernel())
        return guest::system_call_in_guest(vcpu, frame);
    return frame.rax == __HYPERVISOR_iret && guest::iret_in_guest(vcpu, frame);
}

/// What the guest came out for.
void answer(Cpu& cpu, Vcpu& vcpu, arch::Registers& frame) {
    if (frame.vector == arch::kSyscallVector && vcpu.in_kernel()) {
        guest::say_where_syscall_was(frame);
        hypercall::dispatch(vcpu, frame);
    } else if (frame.vector >= arch::kSyscallVector) {
        guest::handle_system_call(vcpu, frame);
    } else if (guest::is_exception(frame.vector)) {
        guest::handle_exception(vcpu, frame);
    } else {
        cpu.alarm_passed(vcpu.domain.system.now()); // an interrupt: perhaps the timer's
    }
}

/// Goes on with the guest that came out, if there is nothing else to do: then nobody needs to know what time it is, since a timer
/// that is due meanwhile interrupts the guest at once. False: nothing has happened.
bool straight_back(Cpu& cpu, Vcpu& vcpu) {
    if (cpu.requests.load(std::memory_order_relaxed) != 0 || event_due(vcpu) || next_deadline(cpu) < cpu.alarm)
        return false;
    pass(cpu);
    return may_go_in(cpu);
}

bool decision_due(Cpu& cpu, std::uint32_t requests, std::uint64_t now) {
    Vcpu const* const current = cpu.current.load(std::memory_order_relaxed);
    return current == nullptr || cpu.resting || (requests & domain::request_look) != 0 || now >= cpu.decision_ends;
}

} // namespace

void enter_next(System& system, arch::Registers& frame) {
    Cpu& cpu = system.this_cpu();
    for (;;) {
        pass(cpu);
        auto const now = system.now();
        cpu.alarm_passed(now);
        cpu.timers.run_expired(now);
        auto const requests = cpu.requests.exchange(0, std::memory_order_seq_cst);
        if ((requests & domain::request_flush) != 0)
            system.flush_clock.flush_here();
        if (decision_due(cpu, requests, now) && !switch_to_next(system, cpu, frame)) {
            if (!cpu.resting)
                guest::unload();
            set_alarm(system, cpu);
            cpu.holds_nothing.store(true, std::memory_order_seq_cst);
            if (cpu.requests.load(std::memory_order_seq_cst) == 0) {
                cpu.idle.begin(system.now());
                arch::wait_for_interrupt();
                cpu.idle.end(system.now());
            }
            cpu.holds_nothing.store(false, std::memory_order_seq_cst);
            continue;
        }
        Vcpu& vcpu = *cpu.current.load(std::memory_order_relaxed);
        deliver_events(vcpu, frame);
        set_alarm(system, cpu);
        if (may_go_in(cpu))
            return;
    }
}

void handle_exit(System& system, arch::Registers& frame) {
    Cpu& cpu = system.this_cpu();
    Vcpu& vcpu = *cpu.current.load(std::memory_order_relaxed);
    if (answered_in_guest(vcpu, frame)) {
        if (!event_due(vcpu))
            return; // what others ask of this CPU meanwhile interrupts it in the guest
        come_out(cpu);
    } else {
        if (frame.vector == arch::kSyscallVector && vcpu.in_kernel())
            hypercall::read_ahead(vcpu, frame);
        come_out(cpu);
        answer(cpu, vcpu, frame);
    }
    if (!straight_back(cpu, vcpu))
        enter_next(system, frame);
}

void handle_failed_resume(System& system, arch::Registers& frame) {
    Cpu& cpu = system.this_cpu();
    come_out(cpu);
    guest::handle_resume_fault(*cpu.current.load(std::memory_order_relaxed), frame);
    enter_next(system, frame);
}

} // namespace run
