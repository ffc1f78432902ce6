/// Buffers on their way between a thread, which waits, and a coroutine, which awaits: a queue with a limit.
///
/// The coroutine runs on the one thread of its io_context and looks at the queue before it awaits; whoever changes the queue posts a wake-up
/// to that thread afterwards. So none is lost.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include "net/link.hpp"

namespace net {

class Mailbox {
  public:
    Mailbox(asio::io_context& context, std::size_t limit) : context_{context}, waker_{context}, limit_{limit} {}

    // For threads.
    /// Waits until less than the limit is held: so never more than the limit and one item.
    outcome::Result<void> put(Octets item);
    /// None: it has ended.
    outcome::Result<std::optional<Octets>> take(Deadline deadline);
    /// Until nothing is held, and done() was said of each.
    outcome::Result<void> drain(Deadline deadline);
    /// What was taken and is used up: empty, with room.
    Octets spare();

    // For both.
    /// Nothing more will be put; what is held can still be taken.
    void end();
    /// All calls return this from now on (the first says why).
    void fail(outcome::Failure const& failure);
    void give_back(Octets item);

    // For coroutines.
    /// None: it has ended, it has failed, or @p patience is over.
    asio::awaitable<std::optional<Octets>> next(std::optional<std::chrono::milliseconds> patience = {});
    /// What next() gave is done with.
    void done(Octets item);
    /// False: it has failed.
    asio::awaitable<bool> offer(Octets item);
    /// After next() gave none: whether there will be any.
    [[nodiscard]] bool over() const;
    /// Octets of room in what waits.
    [[nodiscard]] std::size_t held() const;

  private:
    void wake();
    bool wait(std::unique_lock<std::mutex>& lock, Deadline deadline, auto const& ready);
    void push(Octets item);
    Octets pop();

    asio::io_context& context_;
    asio::steady_timer waker_;
    std::size_t const limit_;

    mutable std::mutex mutex_; // of all below
    std::condition_variable changed_;
    std::deque<Octets> items_;
    std::deque<Octets> spares_;
    std::size_t held_ = 0;    ///< room in items_
    std::size_t at_work_ = 0; ///< given by next(), not done
    bool ended_ = false;
    std::optional<outcome::Failure> failure_;
};

} // namespace net
