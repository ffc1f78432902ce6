/// One CPU's queue: who waits for it, and who runs on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/lock.hpp"
#include "base/pairing_heap.hpp"
#include "sched/entity.hpp"

namespace sched {

/// Virtual times in a queue are local to it: they are `base` behind those of all CPUs. A queue that falls too far
/// behind the others (because who is here gets less than a fair share, or nothing at all) is moved forward as a whole,
/// by its base, so that the order within it, and thus the shares by weight, stay as they are.
///
/// Under its lock, but for what says otherwise. No CPU ever holds two of these locks.
class alignas(64) RunQueue {
  public:
    base::SpinLock<base::LockRank::run_queue> lock;

    Entity* current = nullptr;     ///< runs on the CPU
    Entity* leaving = nullptr;     ///< ran on it, until its state is saved
    std::uint64_t slice_end = 0;   ///< of `current`
    std::uint32_t next_victim = 0; ///< whom to take from next; the CPU's own, without the lock

    /// Into the lane that its reservation says.
    void insert(Entity& entity);
    /// Nobody sees @p entity until @p until.
    void park(Entity& entity, std::uint64_t until);
    void remove(Entity& entity);
    /// Who is to run of those that wait; null if nobody does.
    [[nodiscard]] Entity* first() const { return guaranteed_.empty() ? least() : guaranteed_.least(); }
    /// Who has had least of those that wait for their share; null if nobody does.
    [[nodiscard]] Entity* least() const { return waiting_.least(); }
    template <typename Wanted> [[nodiscard]] Entity* find(Wanted&& wanted) const { return waiting_.find(wanted); }
    [[nodiscard]] bool deserted() const { return current == nullptr && first() == nullptr; }
    /// Who is the next to be looked at again, because its reservation or its domain's budget is renewed; null if nobody is.
    [[nodiscard]] Entity* next_due() const { return timed_.least(); }

    [[nodiscard]] std::uint64_t due_at() const { return timed_.empty() ? timing::kNever : timed_.least()->due(); }

    /// Counts `current` up to @p now and sees that the queue is not further behind @p clock than kWindow. Answers how
    /// far it has come, in the time of all CPUs.
    VirtualTime advance(std::uint64_t now, VirtualTime clock);
    /// How far the least of all here has come, as of the last advance(); it never goes back.
    [[nodiscard]] VirtualTime floor() const { return floor_; }

    [[nodiscard]] VirtualTime to_local(VirtualTime global) const { return global - base_; }
    [[nodiscard]] VirtualTime to_global(VirtualTime local) const { return local + base_; }

    /// Without the lock: the virtual time of least(), in that of all CPUs, as of a moment ago; nothing if nobody waits.
    [[nodiscard]] std::optional<VirtualTime> peek() const;

  private:
    struct Less {
        bool operator()(Entity const& a, Entity const& b) const { return a.virtual_time() < b.virtual_time(); }
    };
    struct EndsSooner {
        bool operator()(Entity const& a, Entity const& b) const {
            return a.guarantee().deadline() < b.guarantee().deadline();
        }
    };
    struct DueSooner {
        bool operator()(Entity const& a, Entity const& b) const { return a.due() < b.due(); }
    };
    void publish();
    void watch(Entity& entity, std::uint64_t until);

    // A lane each; and those of the lanes `share` and `parked` who wait for a moment, too.
    base::PairingHeap<Entity, WaitingTag, Less> waiting_;
    base::PairingHeap<Entity, WaitingTag, EndsSooner> guaranteed_;
    base::PairingHeap<Entity, TimedTag, DueSooner> timed_;
    VirtualTime floor_;
    std::uint64_t base_ = 0;
    std::atomic<std::uint32_t> count_{0};
    std::atomic<std::uint64_t> least_{0};
};

} // namespace sched
