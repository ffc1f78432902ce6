/// What the core keeps for each physical CPU, and how CPUs ask things of each other.
///
/// A CPU is *in a guest* or in the hypervisor. One in the hypervisor uses no cached translation of a guest's (to answer a
/// guest from one it stays "in the guest": run.cpp), so who has made one invalid need not wait for it: it leaves a
/// request, which that CPU carries out before it next enters a guest. It waits only for CPUs that are in a guest, until
/// they have come out (docs/decisions/0003):
///
///     asker                                the CPU
///     requests |= flush       (seq_cst)    in_guest = true       (seq_cst)
///     if (in_guest) kick, wait             if (requests != 0) come back out
///
/// One of the two sees the other. Nobody waits with a lock held, and who waits is itself in the hypervisor, so that
/// two CPUs never wait for each other.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/number.hpp"
#include "domain/idle_time.hpp"
#include "domain/read_ahead.hpp"
#include "domain/recent_pages.hpp"
#include "shadow_pt/flush_debt.hpp"
#include "timing/timer_queue.hpp"

namespace domain {

struct Vcpu;

/// One hypercall, as the trace keeps it.
struct CallRecord {
    std::uint64_t tsc = 0;
    std::uint16_t domain = 0;
    std::uint16_t vcpu = 0;
    std::uint32_t number = 0;
    std::array<std::uint64_t, 3> args{};
};

/// The last hypercalls made on one CPU. Written by that CPU; others may read a torn record, which only dumps do.
class CallTrace {
  public:
    void add(CallRecord const& record) { records_[next_++ % records_.size()] = record; }
    /// From the oldest to the latest.
    template <typename Visit> void for_each(Visit&& visit) const {
        for (std::size_t i = 0; i < records_.size(); ++i)
            if (auto const& record = records_[(next_ + i) % records_.size()]; record.tsc != 0)
                visit(record);
    }

  private:
    std::array<CallRecord, 32> records_{};
    std::size_t next_ = 0;
};

enum Request : std::uint32_t {
    request_flush = 1, ///< flush all translations of guests before entering one
    request_look = 2,  ///< look again: events for the vCPU, its state, a decision of the scheduler
};

/// Half a page, so that a way through the hypervisor finds all of it on one.
struct alignas(2048) Cpu {
    std::atomic<std::uint32_t> requests{0};
    std::atomic<bool> in_guest{false};
    /// How often this CPU has been at the door, and whether it is there now: then it holds no pointer to a domain that it
    /// has found (domain/teardown.hpp).
    std::atomic<std::uint64_t> passes{0};
    std::atomic<bool> holds_nothing{false};
    /// The vCPU whose state this CPU holds; it may be waiting meanwhile. Changed by this CPU only.
    std::atomic<Vcpu*> current{nullptr};
    bool resting = false; ///< the CPU idles, and `current` is asleep on it (sched::Scheduler::rest)
    IdleTime idle;
    RecentPages kernel_pages;
    timing::TimerQueue timers;
    std::uint64_t slice_start = 0;        ///< TSC at which the hypercall began (SP-9)
    std::uint64_t decision_ends = 0;      ///< system time at which the scheduler wants to be asked again
    std::uint64_t alarm = timing::kNever; ///< system time for which the hardware timer is set; kNever: it is not
    shadow_pt::FlushDebt debt;            ///< what the hypercall owes; empty between two
    ReadAhead ahead;
    CallTrace calls;

    /// It is @p now: the hardware timer has fired, if it was to.
    void alarm_passed(std::uint64_t now) {
        if (now >= alarm)
            alarm = timing::kNever;
    }
};

} // namespace domain
