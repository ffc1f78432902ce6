#include "net/door.hpp"

#include <array>
#include <chrono>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include <fcntl.h>

#include "into.hpp"

namespace net {
namespace {

using asio::ip::tcp;
using outcome::fail;
using outcome::Kind;
using outcome::Result;

/// So long may somebody stand in the door, and so many.
constexpr std::chrono::seconds kPatience{10};
constexpr unsigned kMostCallers = 64;
constexpr std::size_t kMagicSize = 8;

std::string shown(tcp::socket const& socket) {
    asio::error_code error;
    auto const end = socket.remote_endpoint(error);
    auto const address = end.address();
    if (error)
        return "?";
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    return address.to_string();
}

} // namespace

struct Door::State {
    State(asio::io_context& context, Owner& its) : acceptor{context}, owner{&its} {}

    tcp::acceptor acceptor;
    Owner* owner; ///< null: the door is closed
    unsigned callers = 0;

    static asio::awaitable<void> listen(std::shared_ptr<State> self);
    static asio::awaitable<void> serve(std::shared_ptr<State> self, std::shared_ptr<tcp::socket> caller);
};

asio::awaitable<void> Door::State::listen(std::shared_ptr<State> self) {
    asio::steady_timer pause{self->acceptor.get_executor()};
    while (self->owner != nullptr) {
        asio::error_code error;
        tcp::socket socket = co_await self->acceptor.async_accept(into(error));
        if (error && self->owner != nullptr) { // no file descriptor left, say
            pause.expires_after(std::chrono::milliseconds{100});
            co_await pause.async_wait(into(error));
        } else if (!error && self->callers < kMostCallers) {
            fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC); // no business of a process that is started here
            asio::co_spawn(self->acceptor.get_executor(), serve(self, std::make_shared<tcp::socket>(std::move(socket))),
                           asio::detached);
        }
    }
}

asio::awaitable<void> Door::State::serve(std::shared_ptr<State> self, std::shared_ptr<tcp::socket> caller) {
    ++self->callers;
    auto& socket = *caller;
    asio::steady_timer clock{self->acceptor.get_executor(), kPatience};
    clock.async_wait([caller](asio::error_code cancelled) {
        asio::error_code ignored;
        if (!cancelled)
            caller->close(ignored);
    });
    HelloOctets octets{};
    asio::error_code error;
    // Who speaks something else is told after the first octets: it may be waiting for an answer.
    co_await asio::async_read(socket, asio::buffer(octets.data(), kMagicSize), into(error));
    bool const ours = !error && could_be_hello(octets);
    if (ours)
        co_await asio::async_read(socket, asio::buffer(octets.data() + kMagicSize, kHelloSize - kMagicSize),
                                  into(error));
    if (!error && self->owner != nullptr) {
        auto const hello = hello_from(octets);
        auto const answer = self->owner->decide(hello, shown(socket));
        auto const text = octets_of(answer);
        co_await asio::async_write(socket, asio::buffer(text), into(error));
        bool const stays = answer.verdict == Verdict::welcome && hello->purpose != Purpose::certificate;
        if (!error && stays && self->owner != nullptr)
            self->owner->take(socket.release(), *hello, answer.version);
        else if (!error && !stays)
            socket.shutdown(tcp::socket::shutdown_send, error);
        // What still comes is read: closing now would make TCP drop what was just answered.
        while (!error && !stays)
            co_await socket.async_read_some(asio::buffer(octets), into(error));
    }
    clock.cancel();
    --self->callers;
}

Result<std::unique_ptr<Door>> Door::open(asio::io_context& context, std::string const& address, std::uint16_t port,
                                         Owner& owner) {
    auto state = std::make_shared<State>(context, owner);
    asio::error_code error;
    auto const parsed = asio::ip::make_address(address, error);
    tcp::endpoint const end{parsed, port};
    auto& acceptor = state->acceptor;
    if (!error)
        acceptor.open(end.protocol(), error);
    if (error == asio::error::address_family_not_supported && address == "::") // "any" means what there is
        return open(context, "0.0.0.0", port, owner);
    if (!error && parsed.is_v6())
        acceptor.set_option(asio::ip::v6_only{false}, error);
    if (!error)
        acceptor.set_option(tcp::acceptor::reuse_address{true}, error);
    if (!error)
        acceptor.bind(end, error);
    if (!error)
        acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error)
        return fail(Kind::precondition,
                    "nobody can knock at " + address + ", port " + std::to_string(port) + ": " + error.message());
    fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
    asio::co_spawn(context, State::listen(state), asio::detached);
    return std::unique_ptr<Door>{new Door{std::move(state)}};
}

Door::~Door() {
    asio::error_code ignored;
    state_->owner = nullptr;
    state_->acceptor.close(ignored);
}

std::uint16_t Door::port() const {
    asio::error_code ignored;
    return state_->acceptor.local_endpoint(ignored).port();
}

} // namespace net
