/// Where the things that happen wait for the session: in the order in which they came, from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "migrate/session.hpp"

namespace mover {

class Inbox {
  public:
    using Clock = std::chrono::steady_clock;

    void put(migrate::Event event) {
        bool const urgent = std::holds_alternative<migrate::event::PeerLost>(event) ||
                            std::holds_alternative<migrate::event::Cancel>(event) || gives_up(event);
        {
            std::lock_guard const guard{mutex_};
            waiting_.push_back(std::move(event));
            if (urgent) // under the lock: who waits until it is must not fall asleep between looking and being told
                urgent_.store(true, std::memory_order_release);
        }
        came_.notify_all();
    }

    /// The next; TimerFired when @p deadline passes first.
    migrate::Event take(std::optional<Clock::time_point> deadline) {
        std::unique_lock guard{mutex_};
        auto const any = [&] { return !waiting_.empty(); };
        if (!deadline)
            came_.wait(guard, any);
        else if (!came_.wait_until(guard, *deadline, any))
            return migrate::event::TimerFired{};
        auto event = std::move(waiting_.front());
        waiting_.pop_front();
        return event;
    }

    /// Until @p done, which is looked at under the lock when something has come or look_again() was called. False: something urgent has come.
    template <typename Done> bool wait_until(Done const& done) {
        std::unique_lock guard{mutex_};
        bool is = false;
        came_.wait(guard, [&] { return (is = done()) || urgent(); });
        return is;
    }
    void look_again() {
        { std::lock_guard const guard{mutex_}; } // who has looked waits already
        came_.notify_all();
    }

    /// What came over a connection that there is no more.
    void forget_peer() {
        std::lock_guard const guard{mutex_};
        std::erase_if(waiting_, [](migrate::Event const& one) {
            return std::holds_alternative<migrate::event::Received>(one) ||
                   std::holds_alternative<migrate::event::PeerLost>(one);
        });
    }

    /// Something waits that a round should be left for.
    [[nodiscard]] bool urgent() const { return urgent_.load(std::memory_order_acquire); }

  private:
    static bool gives_up(migrate::Event const& event) {
        auto const* const received = std::get_if<migrate::event::Received>(&event);
        return received != nullptr && (std::holds_alternative<migrate::Abort>(received->message) ||
                                       std::holds_alternative<migrate::Dropped>(received->message));
    }

    std::mutex mutex_;
    std::condition_variable came_;
    std::deque<migrate::Event> waiting_;
    std::atomic<bool> urgent_{false};
};

} // namespace mover
