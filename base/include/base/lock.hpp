/// Spin locks: a ticket lock, the guard for it, and data that can only be reached under its lock.
///
///     Guarded<RunQueue, LockRank::run_queue> queue_;
///     queue_.with([&](RunQueue& queue) { queue.insert(vcpu); });
///
/// Every lock has a rank (lock_rank.hpp). Debug builds check that each CPU takes ranks in rising order and panic with
/// both names otherwise. The hypervisor runs with interrupts off, so no lock needs to turn them off. Nobody waits for
/// another CPU's answer (an IPI) with a lock held: effects are collected under the lock and performed after it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/assert.hpp"
#include "base/lock_rank.hpp"

namespace base {

/// The ranks that one CPU holds now, for the order check of debug builds.
class LockWitness {
  public:
    void acquired(LockRank rank) {
        ASSERT(depth_ < held_.size());
        ASSERT(depth_ == 0 || held_[depth_ - 1] < rank || (held_[depth_ - 1] == rank && nests(rank)));
        held_[depth_++] = rank;
    }
    void released(LockRank rank) {
        // Not always the last one: a pair taken in address order may be given back in either order.
        for (std::size_t i = depth_; i-- > 0;) {
            if (held_[i] != rank)
                continue;
            for (std::size_t j = i + 1; j < depth_; ++j)
                held_[j - 1] = held_[j];
            --depth_;
            return;
        }
        ASSERT(!"released a lock that is not held");
    }
    [[nodiscard]] bool empty() const { return depth_ == 0; }

  private:
    std::array<LockRank, 8> held_{};
    std::size_t depth_ = 0;
};

} // namespace base

namespace arch {
/// This CPU's witness; given by the machine (hv/arch/x86_64) or its fake (hv/arch/fake: one a thread).
base::LockWitness& lock_witness();
} // namespace arch

namespace base {

/// A fair spin lock: first come, first served.
template <LockRank Rank> class SpinLock {
  public:
    SpinLock() = default;
    SpinLock(SpinLock const&) = delete;
    SpinLock& operator=(SpinLock const&) = delete;

    void lock() {
#ifndef NDEBUG
        arch::lock_witness().acquired(Rank);
#endif
        auto const ticket = next_.fetch_add(1, std::memory_order_relaxed);
        // Acquire meets the release in unlock(): what the last holder wrote is seen here.
        while (serving_.load(std::memory_order_acquire) != ticket)
            __builtin_ia32_pause();
    }

    void unlock() {
        // Only the holder writes serving_, so a plain increment is enough.
        serving_.store(serving_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
#ifndef NDEBUG
        arch::lock_witness().released(Rank);
#endif
    }

    [[nodiscard]] bool held() const {
        return serving_.load(std::memory_order_relaxed) != next_.load(std::memory_order_relaxed);
    }

  private:
    std::atomic<std::uint32_t> next_{0};
    std::atomic<std::uint32_t> serving_{0};
};

/// Holds a lock for a scope.
template <typename Lock> class [[nodiscard]] LockGuard {
  public:
    explicit LockGuard(Lock& lock) : lock_{lock} { lock_.lock(); }
    LockGuard(LockGuard const&) = delete;
    LockGuard& operator=(LockGuard const&) = delete;
    ~LockGuard() { lock_.unlock(); }

  private:
    Lock& lock_;
};

/// Data inside its lock: the only way to reach it is `with`.
template <typename T, LockRank Rank> class Guarded {
  public:
    template <typename... Args> explicit Guarded(Args&&... args) : value_{std::forward<Args>(args)...} {}

    template <typename Visit> decltype(auto) with(Visit&& visit) {
        LockGuard const guard{lock_};
        return std::forward<Visit>(visit)(value_);
    }

  private:
    SpinLock<Rank> lock_;
    T value_;
};

} // namespace base
