/// Timers: something to be done at a time, on one CPU's queue.
///
///     timer.bind([](void* vcpu) { ... }, &vcpu);
///     if (queue.start(timer, deadline) == Rearm::yes) ...   // the queue's CPU must set its hardware timer again
///     queue.run_expired(now);                               // on that CPU, when the hardware timer fires
///
/// A deadline in the past is due at the next run_expired(). Any CPU may start or stop any timer.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/lock.hpp"
#include "base/pairing_heap.hpp"
#include "timing/system_clock.hpp"

namespace timing {

class TimerQueue;

struct TimerTag;

/// A timer is in one queue or in none. It must be in none when it dies (asserted).
class Timer : public base::HeapNode<TimerTag> {
  public:
    using Fire = void (*)(void* context);

    Timer() = default;
    ~Timer();

    /// What to do when it fires. Once, before it is first started.
    void bind(Fire fire, void* context);

    /// Takes it out of the queue that it is in, if any. It may be firing at this moment on another CPU.
    void stop();
    [[nodiscard]] bool queued() const { return queue_.load(std::memory_order_relaxed) != nullptr; }

    struct Setting {
        std::uint64_t deadline = kNever; ///< kNever: it is in no queue
        std::uint64_t period = 0;
    };
    /// For when it is set, at this moment.
    [[nodiscard]] Setting setting() const;

  private:
    friend class TimerQueue;

    Fire fire_ = nullptr;
    void* context_ = nullptr;
    std::uint64_t deadline_ = kNever;
    std::uint64_t period_ = 0;
    std::atomic<TimerQueue*> queue_{nullptr}; ///< changes under that queue's lock only
};

/// Whether the queue's first deadline has become earlier.
enum class [[nodiscard]] Rearm : bool{no, yes};

class TimerQueue {
  public:
    TimerQueue() = default;
    TimerQueue(TimerQueue const&) = delete;
    TimerQueue& operator=(TimerQueue const&) = delete;

    /// (Re)starts @p timer, wherever it was: it fires at @p deadline, and with a @p period each period after.
    Rearm start(Timer& timer, std::uint64_t deadline, std::uint64_t period = 0);

    /// When the first timer is due; kNever if there is none.
    [[nodiscard]] std::uint64_t next_deadline() const { return next_.load(std::memory_order_acquire); }

    /// Fires, in order of their deadlines and without the lock, the timers that are due at @p now. A periodic timer
    /// that comes late fires once for all the periods it missed. Afterwards next_deadline() is later than @p now,
    /// unless a timer was started meanwhile.
    void run_expired(std::uint64_t now);

  private:
    friend class Timer;

    struct Earlier {
        bool operator()(Timer const& a, Timer const& b) const { return a.deadline_ < b.deadline_; }
    };

    void remove(Timer& timer);
    void publish_next();

    base::SpinLock<base::LockRank::timers> lock_;
    base::PairingHeap<Timer, TimerTag, Earlier> timers_;
    std::atomic<std::uint64_t> next_{kNever};
};

} // namespace timing
