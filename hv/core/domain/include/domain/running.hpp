/// What makes a vCPU run, wait and run again, as hypercalls and events say it.
///
/// These set states and kick CPUs; the switch itself happens when a CPU leaves the hypervisor (guest/run.hpp).
#pragma once

#include <cstdint>

#include "base/number.hpp"
#include "domain/system.hpp"
#include "domain/vcpu.hpp"

namespace domain {

/// @p vcpu has something to see (an event, an NMI): wakes it if it waits, interrupts it if it runs elsewhere.
void notify(Vcpu& vcpu);

/// SCHEDOP_yield: lets others run first.
void yield(Vcpu& vcpu);

/// SCHEDOP_block: turns event delivery on and waits for an event. Returns at once; the caller's exit does the waiting.
void block(Vcpu& vcpu);

/// SCHEDOP_poll: from construction on, raising @p only wakes the vCPU (port 0: raising any port of the domain's);
/// block_until() waits, the destructor ends the wait's preparation if it was not called.
class Polling {
  public:
    Polling(Vcpu& vcpu, base::Port only);
    Polling(Polling const&) = delete;
    Polling& operator=(Polling const&) = delete;
    ~Polling();

    /// Waits until an event comes, or until @p deadline (the guest's time in ns; 0: none). At once if the deadline is past.
    void block_until(std::uint64_t deadline);

  private:
    Vcpu& vcpu_;
    bool waits_ = false;
};

/// The vCPU runs again, for whatever reason: it polls no more. Caller: the CPU that is about to run it.
void end_polling(Vcpu& vcpu);

/// Has the CPU that the scheduler names look again.
void perform(System& system, sched::Kick const& kick);

/// VCPUOP_up and down. Taking down the last vCPU that is up shuts the domain down.
void bring_up(Vcpu& vcpu);
void take_down(Vcpu& vcpu);
/// Takes down a vCPU of a domain that has not begun to run: that ends nothing.
void keep_down(Vcpu& vcpu);
/// Takes it down for a new beginning, whether others are up or not: it waits for nothing any more. It is down when this
/// returns; the caller keeps it Stopped if it must be off its CPU, too.
void start_over(Vcpu& vcpu);

/// Returns once @p vcpu, which has been paused, is off its CPU and its state saved. That CPU is on its way out of it, and
/// waits for nobody who waits here.
void wait_until_off(Vcpu const& vcpu);

/// Keeps @p vcpu, of another domain than the caller's, off its CPU.
class [[nodiscard]] Stopped {
  public:
    explicit Stopped(Vcpu& vcpu);
    Stopped(Stopped const&) = delete;
    Stopped& operator=(Stopped const&) = delete;
    ~Stopped();

  private:
    Vcpu& vcpu_;
};

} // namespace domain
