#include "net/link.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>

#include <csignal>
#include <pthread.h>
#include <unistd.h>

#include "link_impl.hpp"

namespace net {

using outcome::Failure;
using outcome::Kind;
using outcome::Result;

Link::Impl::Impl() : work{asio::make_work_guard(context)}, incoming{context, kMostHeld}, outgoing{context, kMostHeld} {
    // Signals are for the program's own threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread = std::thread{[this] { context.run(); }};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Link::Impl::~Impl() {
    fail({Kind::cancelled, "the link was given up", ""});
    work.reset();
    thread.join(); // all coroutines have ended
}

void Link::Impl::start(asio::awaitable<void> coroutine) {
    asio::co_spawn(context, std::move(coroutine), [this](std::exception_ptr const& thrown) {
        try {
            if (thrown)
                std::rethrow_exception(thrown);
        } catch (std::exception const& error) { // no memory
            fail({Kind::failed, std::string{"the connection cannot go on: "} + error.what(), ""});
        }
    });
}

void Link::Impl::fail(Failure const& why) {
    {
        std::lock_guard const lock{mutex};
        if (failure)
            return;
        failure = why;
        incoming.fail(why);
        outgoing.fail(why);
        for (auto const& stream : streams)
            stream->state_->mail.fail(why);
        changed.notify_all();
    }
    asio::post(context, [this] {
        resolver.cancel();
        for (auto& wire : wires)
            wire.close();
        for (auto const& stream : streams)
            stream->state_->pause.cancel();
    });
}

Result<void> Link::Impl::wait_until_open(Deadline deadline, char const* too_late) {
    std::unique_lock lock{mutex};
    auto const ready = [&] { return is_open || failure; };
    bool in_time = true;
    if (deadline)
        in_time = changed.wait_until(lock, *deadline, ready);
    else
        changed.wait(lock, ready);
    if (!in_time) {
        lock.unlock();
        fail({Kind::connect, too_late, ""});
        lock.lock();
    }
    if (failure)
        return base::Err{*failure};
    return {};
}

std::string Link::Impl::whom() const {
    std::lock_guard const lock{mutex};
    return peer.name;
}

bool Link::Impl::failed() const {
    std::lock_guard const lock{mutex};
    return failure.has_value();
}

Link::Link() : impl_{std::make_unique<Impl>()} {}
Link::~Link() = default;

Result<void> Link::connect(Call const& call, Deadline deadline) {
    auto const too_late = call.host + " did not answer in time";
    impl_->start(impl_->open(call));
    return impl_->wait_until_open(deadline, too_late.c_str());
}

void Link::expect(std::optional<Credentials> credentials) { impl_->credentials = std::move(credentials); }

void Link::attach(int socket, Hello const& hello, std::uint16_t version) {
    asio::post(impl_->context,
               [this, socket, hello, version] { impl_->start(impl_->welcome(socket, hello, version)); });
}

Result<void> Link::accept(Deadline deadline) {
    return impl_->wait_until_open(deadline, "not all connections of the migration came in time");
}

Result<void> Link::send(base::Bytes message) {
    if (message.empty() || message.size() > kMostMessage)
        return outcome::fail(Kind::failed, "a message of " + std::to_string(message.size()) + " octets cannot be sent");
    auto const length = static_cast<std::uint32_t>(message.size());
    auto frame = impl_->outgoing.spare();
    frame.resize(sizeof length + message.size());
    std::memcpy(frame.data(), &length, sizeof length);
    std::ranges::copy(message, frame.begin() + sizeof length);
    return impl_->outgoing.put(std::move(frame));
}

Result<Octets> Link::receive(Deadline deadline) {
    auto message = TRY(impl_->incoming.take(deadline));
    if (!message)
        return outcome::fail(Kind::failed, impl_->whom() + " has closed the connection");
    return std::move(*message);
}

std::size_t Link::streams() const { return impl_->streams.size(); }
DataStream& Link::stream(std::size_t index) { return *impl_->streams.at(index); }

void Link::set_bandwidth(std::uint64_t rate) {
    asio::post(impl_->context, [this, rate] { impl_->bucket.set_rate(rate); });
}

Peer Link::peer() const {
    std::lock_guard const lock{impl_->mutex};
    return impl_->peer;
}

std::uint16_t Link::version() const {
    std::lock_guard const lock{impl_->mutex};
    return impl_->version;
}

void Link::cancel() { impl_->fail({Kind::cancelled, "the migration was cancelled", ""}); }

Result<void> Link::close(Deadline deadline) {
    impl_->outgoing.end();
    for (;;) {
        auto const message = TRY(impl_->incoming.take(deadline));
        if (!message)
            return {};
    }
}

DataStream::DataStream(std::unique_ptr<State> state) : state_{std::move(state)} {}
DataStream::~DataStream() = default;

Result<void> DataStream::write(Octets& octets) {
    TRY(state_->mail.put(std::exchange(octets, state_->mail.spare())));
    return {};
}

Result<void> DataStream::flush(Deadline deadline) { return state_->mail.drain(deadline); }
void DataStream::finish() { state_->mail.end(); }
std::uint64_t DataStream::moved() const { return state_->moved.load(std::memory_order_relaxed); }

Result<std::size_t> DataStream::read(std::span<std::byte> room, Deadline deadline) {
    auto& state = *state_;
    if (state.rest_from == state.rest.size() && !state.read_to_end) {
        state.mail.give_back(std::exchange(state.rest, {}));
        state.rest_from = 0;
        auto next = TRY(state.mail.take(deadline));
        state.read_to_end = !next;
        if (next)
            state.rest = std::move(*next);
    }
    auto const count = std::min(room.size(), state.rest.size() - state.rest_from);
    std::copy_n(state.rest.begin() + static_cast<std::ptrdiff_t>(state.rest_from), count, room.begin());
    state.rest_from += count;
    return count;
}

} // namespace net
