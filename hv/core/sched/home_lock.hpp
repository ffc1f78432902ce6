/// The lock of one entity's queue, for the files of the scheduler.
#pragma once

#include <utility>

#include "sched/scheduler.hpp"

namespace sched {

/// The lock of the queue that is an entity's home. The home changes under that lock only, so it is looked at again
/// once the lock is held.
class [[nodiscard]] Scheduler::HomeLock {
  public:
    HomeLock(Scheduler& scheduler, Entity const& entity) {
        for (;;) {
            auto const home = entity.home_.load(std::memory_order_relaxed);
            queue_ = &scheduler.queues_[home];
            queue_->lock.lock();
            if (entity.home_.load(std::memory_order_relaxed) == home)
                return;
            queue_->lock.unlock();
        }
    }
    HomeLock(HomeLock&& other) noexcept : queue_{std::exchange(other.queue_, nullptr)} {}
    HomeLock& operator=(HomeLock&& other) noexcept {
        release();
        queue_ = std::exchange(other.queue_, nullptr);
        return *this;
    }
    ~HomeLock() { release(); }

    RunQueue& operator*() const { return *queue_; }
    RunQueue* operator->() const { return queue_; }
    void release() {
        if (queue_ != nullptr)
            std::exchange(queue_, nullptr)->lock.unlock();
    }

  private:
    RunQueue* queue_ = nullptr;
};

} // namespace sched
