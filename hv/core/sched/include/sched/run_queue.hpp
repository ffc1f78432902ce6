/// One CPU's queue: who waits for it, and who runs on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/lock.hpp"
#include "base/pairing_heap.hpp"
#include "sched/entity.hpp"

namespace sched {

/// Under its lock, but for what says otherwise. No CPU ever holds two of these locks.
class alignas(64) RunQueue {
  public:
    base::SpinLock<base::LockRank::run_queue> lock;

    Entity* current = nullptr;   ///< runs on the CPU
    Entity* leaving = nullptr;   ///< ran on it, until its state is saved
    std::uint64_t slice_end = 0; ///< of `current`

    void insert(Entity& entity);
    void remove(Entity& entity);
    /// Who has had least of those that wait; null if nobody does.
    [[nodiscard]] Entity* least() const { return waiting_.least(); }
    template <typename Wanted> [[nodiscard]] Entity* find(Wanted&& wanted) const { return waiting_.find(wanted); }

    /// How far the least of all here has come, counting `current` up to @p now; it never goes back. Nobody can
    /// collect more than kSleeper behind it by sleeping.
    VirtualTime advance_floor(std::uint64_t now);

    /// Without the lock: the virtual time of least(), as of a moment ago; nothing if nobody waits.
    [[nodiscard]] std::optional<VirtualTime> peek() const;

  private:
    struct Less {
        bool operator()(Entity const& a, Entity const& b) const { return a.virtual_time() < b.virtual_time(); }
    };
    void publish();

    base::PairingHeap<Entity, WaitingTag, Less> waiting_;
    VirtualTime floor_;
    std::atomic<std::uint32_t> count_{0};
    std::atomic<std::uint64_t> least_{0};
};

} // namespace sched
