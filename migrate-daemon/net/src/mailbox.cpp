#include "mailbox.hpp"

#include <utility>

#include <asio/post.hpp>

#include "into.hpp"

namespace net {
namespace {

constexpr std::size_t kMostSpares = 8;

} // namespace

using outcome::Kind;
using outcome::Result;

void Mailbox::wake() {
    changed_.notify_all();
    asio::post(context_, [this] { waker_.cancel(); });
}

bool Mailbox::wait(std::unique_lock<std::mutex>& lock, Deadline deadline, auto const& ready) {
    auto const now = [&] { return failure_.has_value() || ready(); };
    if (deadline)
        return changed_.wait_until(lock, *deadline, now);
    changed_.wait(lock, now);
    return true;
}

void Mailbox::push(Octets item) {
    held_ += item.capacity();
    items_.push_back(std::move(item));
}

Octets Mailbox::pop() {
    auto item = std::move(items_.front());
    items_.pop_front();
    held_ -= item.capacity();
    return item;
}

Result<void> Mailbox::put(Octets item) {
    std::unique_lock lock{mutex_};
    wait(lock, {}, [&] { return held_ < limit_; });
    if (failure_)
        return base::Err{*failure_};
    if (ended_)
        return outcome::fail(Kind::failed, "nothing can be sent after the end");
    push(std::move(item));
    wake();
    return {};
}

Result<std::optional<Octets>> Mailbox::take(Deadline deadline) {
    std::unique_lock lock{mutex_};
    bool const in_time = wait(lock, deadline, [&] { return !items_.empty() || ended_; });
    if (!items_.empty()) { // what came before a failure is still true
        auto item = pop();
        wake();
        return std::optional{std::move(item)};
    }
    if (failure_)
        return base::Err{*failure_};
    if (!in_time)
        return outcome::fail(Kind::timed_out, "the other side did not answer in time");
    return std::optional<Octets>{};
}

Result<void> Mailbox::drain(Deadline deadline) {
    std::unique_lock lock{mutex_};
    bool const in_time = wait(lock, deadline, [&] { return items_.empty() && at_work_ == 0; });
    if (failure_)
        return base::Err{*failure_};
    if (!in_time)
        return outcome::fail(Kind::timed_out, "the other side did not take in time what was sent");
    return {};
}

Octets Mailbox::spare() {
    std::lock_guard const lock{mutex_};
    if (spares_.empty())
        return {};
    auto item = std::move(spares_.back());
    spares_.pop_back();
    return item;
}

void Mailbox::give_back(Octets item) {
    std::lock_guard const lock{mutex_};
    item.clear();
    if (spares_.size() < kMostSpares)
        spares_.push_back(std::move(item));
}

void Mailbox::end() {
    std::lock_guard const lock{mutex_};
    ended_ = true;
    wake();
}

void Mailbox::fail(outcome::Failure const& failure) {
    std::lock_guard const lock{mutex_};
    if (failure_)
        return;
    failure_ = failure;
    wake();
}

void Mailbox::done(Octets item) {
    give_back(std::move(item));
    std::lock_guard const lock{mutex_};
    --at_work_;
    changed_.notify_all();
}

bool Mailbox::over() const {
    std::lock_guard const lock{mutex_};
    return failure_.has_value() || (ended_ && items_.empty());
}

std::size_t Mailbox::held() const {
    std::lock_guard const lock{mutex_};
    return held_;
}

asio::awaitable<std::optional<Octets>> Mailbox::next(std::optional<std::chrono::milliseconds> patience) {
    if (patience)
        waker_.expires_after(*patience);
    else
        waker_.expires_at(asio::steady_timer::time_point::max());
    for (asio::error_code woken = asio::error::operation_aborted;;) {
        {
            std::lock_guard const lock{mutex_};
            if (!items_.empty() && !failure_) {
                auto item = pop();
                ++at_work_;
                changed_.notify_all();
                co_return item;
            }
            if (failure_ || ended_ || !woken)
                co_return std::nullopt;
        }
        co_await waker_.async_wait(into(woken));
    }
}

asio::awaitable<bool> Mailbox::offer(Octets item) {
    waker_.expires_at(asio::steady_timer::time_point::max());
    for (;;) {
        {
            std::lock_guard const lock{mutex_};
            if (failure_)
                co_return false;
            if (held_ < limit_) {
                push(std::move(item));
                changed_.notify_all();
                co_return true;
            }
        }
        asio::error_code woken;
        co_await waker_.async_wait(into(woken));
    }
}

} // namespace net
