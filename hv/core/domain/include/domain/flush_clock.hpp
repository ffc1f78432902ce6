/// When each CPU last flushed, and asking those that are late (SP-2, SP-11).
#pragma once

#include <array>

#include "base/number.hpp"
#include "domain/cpu.hpp"
#include "shadow_pt/tlb_clock.hpp"

namespace domain {

/// The machine's TLB clock together with the CPUs that it is about: what the frame allocator asks (mm::FlushClock).
class FlushClock {
  public:
    explicit FlushClock(std::array<Cpu, base::kMaxCpus>& cpus) : cpus_{cpus} {}

    [[nodiscard]] shadow_pt::TlbClock& clock() { return clock_; }
    [[nodiscard]] shadow_pt::Stamp now() const { return clock_.now(); }
    [[nodiscard]] bool is_safe(shadow_pt::Stamp stamp) const { return clock_.is_safe(stamp); }

    /// Asks the CPUs that have not flushed since @p stamp to do so soon; never waits. This CPU flushes at once.
    void ask(shadow_pt::Stamp stamp);

    /// Flushes all translations of guests on this CPU, now.
    void flush_here();

    /// Has all of @p cpus flush before they next enter a guest, and waits until none of them is in one. This CPU, if it
    /// is among them, flushes at once. May be called with a table's lock held: who is waited for needs no lock to
    /// come into the hypervisor.
    void flush(shadow_pt::CpuSet const& cpus);

  private:
    void request_flush(std::uint32_t cpu);

    shadow_pt::TlbClock clock_;
    std::array<Cpu, base::kMaxCpus>& cpus_;
};

} // namespace domain
