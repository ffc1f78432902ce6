#include "timing/timer_queue.hpp"

namespace timing {

using base::LockGuard;

Timer::~Timer() { ASSERT(!queued()); }

void Timer::bind(Fire fire, void* context) {
    ASSERT(!queued());
    fire_ = fire;
    context_ = context;
}

void Timer::stop() {
    // The queue may change until its lock is held; then it is either still this one, or we look again.
    while (TimerQueue* const queue = queue_.load(std::memory_order_acquire)) {
        LockGuard const guard{queue->lock_};
        if (queue_.load(std::memory_order_relaxed) == queue) {
            queue->remove(*this);
            return;
        }
    }
}

Timer::Setting Timer::setting() const {
    while (TimerQueue* const queue = queue_.load(std::memory_order_acquire)) {
        LockGuard const guard{queue->lock_};
        if (queue_.load(std::memory_order_relaxed) == queue)
            return {.deadline = deadline_, .period = period_};
    }
    return {};
}

void TimerQueue::remove(Timer& timer) {
    timers_.remove(timer);
    timer.queue_.store(nullptr, std::memory_order_release);
    publish_next();
}

void TimerQueue::publish_next() {
    Timer const* const first = timers_.least();
    next_.store(first == nullptr ? kNever : first->deadline_, std::memory_order_release);
}

Rearm TimerQueue::start(Timer& timer, std::uint64_t deadline, std::uint64_t period) {
    ASSERT(timer.fire_ != nullptr);
    for (;;) {
        timer.stop();
        LockGuard const guard{lock_};
        // Somebody else may have started it meanwhile, on any CPU: whoever comes last wins.
        TimerQueue* none = nullptr;
        if (!timer.queue_.compare_exchange_strong(none, this, std::memory_order_acq_rel))
            continue;
        auto const first_before = next_.load(std::memory_order_relaxed);
        timer.deadline_ = deadline;
        timer.period_ = period;
        timers_.insert(timer);
        publish_next();
        return deadline < first_before ? Rearm::yes : Rearm::no;
    }
}

void TimerQueue::run_expired(std::uint64_t now) {
    while (next_deadline() <= now) {
        Timer::Fire fire = nullptr;
        void* context = nullptr;
        {
            LockGuard const guard{lock_};
            Timer* const due = timers_.least();
            if (due == nullptr || due->deadline_ > now)
                return;
            fire = due->fire_;
            context = due->context_;
            if (due->period_ == 0) {
                remove(*due);
            } else {
                timers_.remove(*due);
                due->deadline_ = now + due->period_ - (now - due->deadline_) % due->period_;
                timers_.insert(*due);
                publish_next();
            }
        }
        fire(context);
    }
}

} // namespace timing
