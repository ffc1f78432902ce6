/// Which CPUs may still hold a translation that is gone from the tables (SP-2, SP-6, SP-11, SP-12).
///
/// One clock for the machine ticks at each full flush of a CPU. Whoever takes a translation away writes the clock's
/// time beside the frame: a *stamp*. A CPU that flushed after the stamp knows nothing of the old translation:
///
///     remover                              flushing CPU
///       entry := new      (locked)           t := ++clock      (locked)
///       stamp := clock                       flush
///                                            last[cpu] := t
///
/// If t > stamp, the tick came after the remover read the clock, so the flush came after the entry was changed.
///
/// The clock has 64 bits, a stamp the lowest 32 of them. A stamp means the latest time at or before now that ends in
/// those bits: never earlier than the true time. So a stamp that is older than 2^32 flushes may ask for a flush that
/// was not needed, and that is all that wrapping around can do.
///
/// Knows numbers only; no function waits.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/assert.hpp"
#include "base/bitmap.hpp"
#include "base/number.hpp"

namespace shadow_pt {

using Stamp = std::uint32_t;
using CpuSet = base::Bitmap<base::kMaxCpus>;

class TlbClock {
  public:
    /// @p start: of tests, to be near a wrap.
    explicit TlbClock(std::uint64_t start = 1) : clock_{start} {}
    TlbClock(TlbClock const&) = delete;
    TlbClock& operator=(TlbClock const&) = delete;

    /// @p cpu will run guests from now on. REQUIRES: its TLB is empty.
    void add_cpu(base::CpuId cpu) {
        ASSERT(cpu.raw() < base::kMaxCpus);
        last_flush_[cpu.raw()].store(clock_.fetch_add(1) + 1);
    }

    // --- the remover's side -------------------------------------------------------------------------------------------

    [[nodiscard]] Stamp now() const { return static_cast<Stamp>(clock_.load()); }

    /// Sets @p stamp to now. REQUIRES: the translation is gone from the tables. Any CPUs at once: the latest stays.
    void stamp(std::atomic<Stamp>& stamp) const {
        for (Stamp old = stamp.load();;) {
            // Read after `old`: if somebody else writes a later time in between, the exchange fails.
            Stamp const fresh = now();
            if (old == fresh || stamp.compare_exchange_weak(old, fresh))
                return;
        }
    }

    // --- a flushing CPU's side ----------------------------------------------------------------------------------------

    /// Before a full flush of @p cpu, on that CPU; its answer is for end_flush().
    [[nodiscard]] std::uint64_t begin_flush() { return clock_.fetch_add(1) + 1; }
    /// After it.
    void end_flush(base::CpuId cpu, std::uint64_t begun) { last_flush_[cpu.raw()].store(begun); }

    // --- questions ------------------------------------------------------------------------------------------------------

    /// @p cpu has flushed since @p stamp. The stamp was read before this is called.
    [[nodiscard]] bool has_flushed(base::CpuId cpu, Stamp stamp) const {
        return last_flush_[cpu.raw()].load() > widen(stamp);
    }
    /// Every CPU has.
    [[nodiscard]] bool is_safe(Stamp stamp) const {
        auto const when = widen(stamp);
        for (auto const& last : last_flush_)
            if (is_behind(last.load(), when))
                return false;
        return true;
    }
    /// The CPUs that have not.
    [[nodiscard]] CpuSet behind(Stamp stamp) const {
        CpuSet late;
        auto const when = widen(stamp);
        for (std::uint32_t cpu = 0; cpu < base::kMaxCpus; ++cpu)
            if (is_behind(last_flush_[cpu].load(), when))
                late.set(cpu);
        return late;
    }

  private:
    static constexpr std::uint64_t kOffline = 0; ///< the clock never says 0 after a flush

    static bool is_behind(std::uint64_t last, std::uint64_t when) { return last != kOffline && last <= when; }

    [[nodiscard]] std::uint64_t widen(Stamp stamp) const {
        auto const now = clock_.load();
        return now - static_cast<Stamp>(static_cast<Stamp>(now) - stamp);
    }

    std::atomic<std::uint64_t> clock_;
    std::array<std::atomic<std::uint64_t>, base::kMaxCpus> last_flush_{}; ///< kOffline: runs no guests
};

/// A domain's TLB generation (SP-12). A harvest, a flush that skips a vCPU which does not run, and whatever else a CPU
/// must not miss raise it; a CPU that last flushed for an older one flushes before it enters the domain.
class TlbGeneration {
  public:
    void raise() { generation_.fetch_add(1); }

    /// What a CPU (or vCPU) has flushed for.
    class Seen {
        friend class TlbGeneration;
        std::uint64_t generation_ = ~std::uint64_t{0}; ///< nothing yet: always behind
    };

    [[nodiscard]] bool behind(Seen const& seen) const { return seen.generation_ != generation_.load(); }

    /// Before the flush: what raises the generation after this is not covered by it.
    [[nodiscard]] Seen begin_flush() const {
        Seen seen;
        seen.generation_ = generation_.load();
        return seen;
    }

  private:
    std::atomic<std::uint64_t> generation_{0};
};

} // namespace shadow_pt
