/// What the scheduler knows of a vCPU.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/bitmap.hpp"
#include "base/number.hpp"
#include "base/pairing_heap.hpp"
#include "sched/budget.hpp"
#include "sched/guarantee.hpp"
#include "sched/policy.hpp"
#include "sched/virtual_time.hpp"
#include "timing/runstate.hpp"
#include "timing/system_clock.hpp"

namespace sched {

using Affinity = base::Bitmap<base::kMaxCpus>;

/// Every CPU.
constexpr Affinity anywhere() {
    Affinity all;
    for (std::size_t cpu = 0; cpu < Affinity::size(); ++cpu)
        all.set(cpu);
    return all;
}

/// The CPUs where an entity may run, and those where it had better run if they are idle.
struct Affinities {
    Affinity hard;
    Affinity soft;
};

/// Where an entity is.
///
///     off ---wake, resume---> waiting ---schedule---> running ---schedule---> leaving
///      ^                       ^   |                                         |  |
///      |                       |   '---pause---> off                         |  |
///      |                       '---------context_saved, still runnable-------'  |
///      '-----------------------------context_saved, blocked or paused-----------'
enum class Place : std::uint8_t {
    off,     ///< blocked or paused, its state saved
    waiting, ///< in its home CPU's queue
    running, ///< on its home CPU
    leaving, ///< between two places: the CPU that moves it will see to it that it goes on, if it may run by then; or
             ///< resting: blocked on an idle CPU that still has its state (Scheduler::rest)
};

/// Where in its queue one waits.
enum class Lane : std::uint8_t {
    none,
    share,      ///< by virtual time
    guaranteed, ///< with something left of its reservation: by the end of its period
    parked,     ///< its domain's cap is used up for now
};

struct WaitingTag;
struct TimedTag;

/// Made paused once: resume() sets it going.
class Entity : public base::HeapNode<WaitingTag>, public base::HeapNode<TimedTag> {
  public:
    Entity() = default;

    // Any CPU may ask these; the answer may be old when it arrives, unless the caller knows better.
    [[nodiscard]] base::CpuId home() const { return base::CpuId{home_.load(std::memory_order_relaxed)}; }
    [[nodiscard]] Place place() const { return place_.load(std::memory_order_seq_cst); }
    /// Its state is in memory and no CPU will run it until it is woken or resumed.
    [[nodiscard]] bool off() const { return place() == Place::off; }
    [[nodiscard]] bool blocked() const { return blocked_.load(std::memory_order_seq_cst); }
    [[nodiscard]] std::uint32_t weight() const { return weight_.load(std::memory_order_relaxed); }
    [[nodiscard]] timing::Runstate const& runstate() const { return runstate_; }

    // The rest: under the lock of its queue.
    [[nodiscard]] VirtualTime virtual_time() const { return virtual_time_; }
    [[nodiscard]] Lane lane() const { return lane_; }
    [[nodiscard]] Guarantee const& guarantee() const { return guarantee_; }
    /// Others wait until it has had what is left of its reservation.
    [[nodiscard]] bool guaranteed() const { return guarantee_.left() != 0; }
    [[nodiscard]] bool may_run_on(base::CpuId cpu) const {
        return affinity_.test(cpu.raw()) && (!bound_to_ || *bound_to_ == cpu);
    }
    /// Whether it, waiting, runs rather than @p other, which waits, too, or has run for long enough.
    [[nodiscard]] bool goes_before(Entity const& other) const;
    /// Whether it, waiting, interrupts @p running at @p now.
    [[nodiscard]] bool interrupts(Entity const& running, std::uint64_t now) const;
    /// In the lanes `share` and `parked`: when it is to be looked at again.
    [[nodiscard]] std::uint64_t due() const { return due_; }

  private:
    friend class Scheduler;
    friend class RunQueue;

    [[nodiscard]] bool runnable() const { return !blocked() && pauses_ == 0; }
    /// Its virtual time, were it charged now.
    [[nodiscard]] VirtualTime virtual_time_at(std::uint64_t now) const;
    /// Counts the time since the last charge. Exact: what does not divide is carried on, so that many short runs cost
    /// as much as one long one.
    void charge(std::uint64_t now);
    /// Sees that it has some of its domain's budget. False: there is none left.
    [[nodiscard]] bool draw(std::uint64_t now);
    /// Gives back what it has drawn and not used.
    void give_back(std::uint64_t now);
    /// Until when what it has drawn lasts, and what is left of its reservation.
    [[nodiscard]] std::uint64_t means_end(std::uint64_t now) const;
    /// Tells the runstate what the flags and the place say.
    void account(std::uint64_t now);

    // Changes under the lock of the home queue only; the atomic ones may be read without it.
    std::atomic<std::uint32_t> home_{0};
    std::atomic<Place> place_{Place::off};
    std::atomic<bool> blocked_{false}; ///< but set by the CPU that runs it, without a lock (Scheduler::block)
    std::uint32_t pauses_ = 1;
    std::atomic<std::uint32_t> weight_{kDefaultWeight};
    Affinity affinity_ = anywhere();      ///< where it may run
    Affinity soft_affinity_ = anywhere(); ///< where it had better run
    std::optional<base::CpuId> bound_to_; ///< where its reservation is
    timing::Runstate runstate_;
    Lane lane_ = Lane::none;
    std::uint64_t due_ = timing::kNever;

    Budget* budget_ = nullptr;   ///< of its domain; null: unlimited
    std::int64_t allowance_ = 0; ///< drawn from it; negative: a debt
    Guarantee guarantee_;

    VirtualTime virtual_time_;
    std::uint64_t charge_rest_ = 0; ///< in units of 1 / weight
    std::uint64_t charged_until_ = 0;
    std::uint64_t dispatched_ = 0; ///< when it last came to a CPU
    bool yielded_ = false;         ///< the CPU that runs it only
    bool resting_ = false;         ///< it left its CPU, blocked, and its state stayed there
    bool called_ = false;          ///< woken while it rested, and its CPU was idle for nobody else
};

} // namespace sched
