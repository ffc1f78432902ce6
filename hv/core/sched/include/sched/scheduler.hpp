/// Which vCPU runs where, and for how long: fair by weight, work-conserving, and deaf to tricks.
///
/// Each entity has a virtual time: the CPU time it has had, divided by its weight. Each CPU runs whoever waits in its
/// queue and has had least, for a slice; so over time each gets its share, whatever the others do:
///   - yielding, blocking or being woken never lowers a virtual time, and every nanosecond on a CPU is charged;
///   - who slept may be behind the others by kSleeper, not more: quick to answer, but with no savings to spend;
///   - nobody is preempted before kLeastRun has passed: a storm of wake-ups costs time, not progress.
/// Virtual time is one for all CPUs. A CPU with nothing to do takes from any queue; and at the end of a slice it takes
/// who waits elsewhere and is kPull behind its own best. That makes shares fair across CPUs. Where they cannot be (one
/// with a weight for more than a whole CPU, or pinned to a lonely one), the virtual times of two queues drift apart,
/// but never by more than kWindow (run_queue.hpp): a bound on how long anyone may wait for one from another queue.
///
/// No lost wake-ups. Two flags cross, each written before the other is read, with full barriers between:
///
///     vCPU that blocks                              who raises an event for it
///     block(): blocked = true         (seq_cst)     sets the pending bits           (locked operation)
///     are events pending? then wake() itself        wake(): blocked? then make it runnable
///
/// At least one of them sees the other. Likewise for one that is about to run: schedule() ends with a full barrier,
/// after which the caller looks for pending events before it enters the guest, while the raiser, having set the bits,
/// looks whether it runs (runs_on) and kicks that CPU. And for a CPU that goes idle: it is in the idle set before it
/// looks into all queues once more, and who makes an entity wait looks into the idle set after that.
///
/// Nobody enters two CPUs. One that leaves a CPU belongs to that CPU until context_saved(): it is in no queue until then,
/// and who wakes or resumes it meanwhile leaves the rest to context_saved().
///
/// Resting. A CPU that would be idle need not save who has just blocked there: the same one often is the next to run. It
/// stays `leaving`, and whoever wakes or pauses it kicks that CPU, whose next schedule() has it go on, if nobody else is
/// there to run, or names it as `previous` again.
///
/// Means. Two things bend the shares, and both count CPU time against a period: a domain's cap (budget.hpp), beyond which
/// its entities are parked, and an entity's reservation (guarantee.hpp), within which it goes before all that have none.
/// One with a reservation stays on one CPU, of which not more is reserved than there is: no other CPU takes it.
///
/// All functions may be called on any CPU, but for those that say otherwise. Results name CPUs to be kicked
/// (arch::kick), which may be the caller's own: each then calls schedule().
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/number.hpp"
#include "base/result.hpp"
#include "sched/entity.hpp"
#include "sched/idle_set.hpp"
#include "sched/policy.hpp"
#include "sched/run_queue.hpp"
#include "timing/system_clock.hpp"

namespace sched {

/// A CPU that must be made to call schedule(), if any.
struct [[nodiscard]] Kick {
    std::optional<base::CpuId> cpu{};
};

struct [[nodiscard]] Decision {
    Entity* next = nullptr;               ///< null: nobody; the CPU idles
    Entity* previous = nullptr;           ///< not null: save its state, then call context_saved() before all else
    std::uint64_t until = timing::kNever; ///< call schedule() again then, at the latest
    Affinity kicks{};                     ///< CPUs to be kicked: they were idle, and somebody waits again
};

class Scheduler {
  public:
    /// @p cpus take part, each from its first schedule() on.
    explicit Scheduler(std::uint32_t cpus);
    Scheduler(Scheduler const&) = delete;
    Scheduler& operator=(Scheduler const&) = delete;

    // --- entities ------------------------------------------------------------------------------------------------------

    /// @p entity is off, and begins at @p home, with as much virtual time as everybody. What it runs is taken from
    /// @p budget, which lives as long as it does; null: it is unlimited.
    void add(Entity& entity, base::CpuId home, Budget* budget = nullptr);

    /// Error::invalid if @p weight is out of range.
    [[nodiscard]] base::Status set_weight(Entity& entity, std::uint32_t weight, std::uint64_t now);
    /// Error::invalid if no CPU that takes part is in @p affinity, Error::no_space if none of them has room for its
    /// reservation. One that is between CPUs at this moment may run for one more slice where it should not.
    [[nodiscard]] base::Result<Kick> set_affinity(Entity& entity, Affinity const& affinity, std::uint64_t now);
    /// A wish for the next time that @p entity wakes: any set, also one where it may not run.
    void set_soft_affinity(Entity& entity, Affinity const& affinity);
    [[nodiscard]] Affinities affinities(Entity const& entity);
    /// Gives @p entity @p reservation on one CPU, where it stays; none: gives back the one it has. Error::invalid for one
    /// that is not valid() (policy.hpp), Error::no_space if no CPU where it may run has so much left.
    [[nodiscard]] base::Result<Kick> reserve(Entity& entity, Reservation const& reservation, std::uint64_t now);
    [[nodiscard]] Reservation reservation(Entity const& entity);

    /// Stops @p entity until as many resume() have come; wait for entity.off() to know that no CPU runs it.
    Kick pause(Entity& entity, std::uint64_t now);
    Kick resume(Entity& entity, std::uint64_t now);

    // --- blocking and waking ---------------------------------------------------------------------------------------------

    /// On the CPU that runs @p entity. It goes on running until schedule(); look for events after this, and wake() it
    /// if there are any.
    void block(Entity& entity);
    /// What it waited for may have come. Nothing if it does not wait.
    Kick wake(Entity& entity, std::uint64_t now);
    /// On the CPU that runs @p entity: at the next schedule() others are preferred once.
    void yield(Entity& entity);
    /// The CPU that runs @p entity. See above for what it guarantees.
    [[nodiscard]] Kick runs_on(Entity const& entity) const;

    /// @p entity, which is paused and off, is as it was on another host: waiting or not, with @p runstate behind it.
    void restore(Entity& entity, bool blocked, vcpu_runstate_info_t const& runstate);

    // --- on the CPU itself -------------------------------------------------------------------------------------------------

    /// Who is to run on @p cpu from now on.
    Decision schedule(base::CpuId cpu, std::uint64_t now);
    /// Instead of saving a Decision's @p previous, when there is no `next`: it rests on this CPU, which idles. False: it
    /// may not, having been woken or paused meanwhile, and is to be saved.
    [[nodiscard]] bool rest(Entity& previous);
    /// The state of a Decision's `previous` is in memory: it may run elsewhere.
    Kick context_saved(Entity& previous, std::uint64_t now);

    /// Who runs on @p cpu, which is the caller's own.
    [[nodiscard]] Entity* current(base::CpuId cpu) const { return queues_[cpu.raw()].current; }

  private:
    class HomeLock;
    using Reserved = std::array<std::uint32_t, base::kMaxCpus>; ///< of each CPU, in millionths

    [[nodiscard]] std::optional<base::CpuId> room_for(Reserved const& reserved, std::uint32_t part,
                                                      Affinity const& among, base::CpuId rather) const;
    [[nodiscard]] base::Result<Kick> bind(Reserved& reserved, Entity& entity, Reservation const& reservation,
                                          Affinity const& affinity, std::uint64_t now);

    /// How far the furthest queue has come.
    [[nodiscard]] VirtualTime clock() const { return VirtualTime{clock_.load(std::memory_order_relaxed)}; }
    void advance(RunQueue& queue, std::uint64_t now);

    /// Puts @p entity, which is in no queue, where it may wait, or off if it may not run. Consumes the lock.
    Kick settle(HomeLock held, Entity& entity, std::uint64_t now, bool slept);
    void enqueue(RunQueue& queue, Entity& entity, std::uint64_t now, bool slept);
    [[nodiscard]] Kick kick_for(Entity const& entity, RunQueue const& queue, std::uint64_t now);

    [[nodiscard]] static Kick kick_if_resting(Entity const& entity);
    [[nodiscard]] Kick call(Entity& entity);
    [[nodiscard]] std::optional<Decision> go_on_resting(RunQueue& queue, base::CpuId cpu, std::uint64_t now);
    void put_on(RunQueue& queue, Entity& entity, std::uint64_t now);
    [[nodiscard]] Affinity release_due(RunQueue& queue, std::uint64_t now);
    [[nodiscard]] static Entity* take_first(RunQueue& queue, Entity const* staying, std::uint64_t now);
    [[nodiscard]] static std::uint64_t look_again_at(RunQueue const& queue, std::uint64_t now);
    [[nodiscard]] std::optional<Decision> keep_current(RunQueue& queue, base::CpuId cpu, std::uint64_t now);
    [[nodiscard]] std::optional<VirtualTime> best_of(RunQueue const& queue, base::CpuId cpu) const;
    [[nodiscard]] Entity* pull(base::CpuId cpu, std::optional<VirtualTime> own_best);
    [[nodiscard]] static Entity* take_from(RunQueue& victim, base::CpuId cpu, std::optional<VirtualTime> own_best);
    [[nodiscard]] Decision decide(RunQueue& queue, base::CpuId cpu, std::uint64_t now);
    [[nodiscard]] Decision next_on(base::CpuId cpu, Affinity& kicks, std::uint64_t now);

    std::uint32_t const cpus_;
    IdleSet idle_;
    std::atomic<std::uint64_t> clock_{0};
    base::Guarded<Reserved, base::LockRank::reservations> reserved_;
    std::array<RunQueue, base::kMaxCpus> queues_;
};

} // namespace sched
