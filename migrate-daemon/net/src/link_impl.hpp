/// What a link is made of. All coroutines run on its one thread, and end when the link fails; they are
///
///     open -> call_data…            the calling side: connections, one after the other, then all of the data's at once
///     welcome…                      the called side: one for each connection that is attached
///     write_messages, read_messages
///     send_stream… or receive_stream…
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include <asio/awaitable.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include "mailbox.hpp"
#include "net/link.hpp"
#include "net/token_bucket.hpp"
#include "wire.hpp"

namespace net {

inline constexpr std::size_t kMostHeld = 4U << 20;

struct DataStream::State {
    explicit State(asio::io_context& context) : mail{context, kMostHeld}, pause{context} {}

    Mailbox mail;
    asio::steady_timer pause; ///< for the rate
    std::atomic<std::uint64_t> moved = 0;
    Octets rest; ///< taken by read(), and not yet given out
    std::size_t rest_from = 0;
    bool read_to_end = false;
};

class Link::Impl {
  public:
    Impl();
    ~Impl();

    // For any thread.
    void fail(outcome::Failure const& failure);
    outcome::Result<void> wait_until_open(Deadline deadline, char const* too_late);
    void start(asio::awaitable<void> coroutine);

    // Coroutines (handshake.cpp).
    asio::awaitable<void> open(Call call);
    using Ends = std::vector<asio::generic::stream_protocol::endpoint>;
    asio::awaitable<void> call_data(Call call, Hello hello, Ends ends);
    /// Connected, answered, secured, confirmed, admitted; or the link has failed.
    asio::awaitable<bool> reach(Wire& wire, Call const& call, Hello hello, Ends ends);
    asio::awaitable<void> welcome(int socket, Hello hello, std::uint16_t version);
    asio::awaitable<bool> prove(Wire& wire, Hello hello, std::uint16_t version);

    // Coroutines (pumps.cpp).
    asio::awaitable<void> write_messages(Wire& wire);
    asio::awaitable<void> read_messages(Wire& wire);
    asio::awaitable<void> send_stream(Wire& wire, DataStream::State& stream);
    asio::awaitable<void> receive_stream(Wire& wire, DataStream::State& stream);

    // For the link's thread.
    enum class Direction { out, in };
    /// The connection has proved what it is: whether it may be one of the link's. If not, and it was ours or the first, the link fails.
    bool admit(Wire const& wire, Hello const& hello, std::string const& name);
    /// From now on it carries what it is for.
    void begin(Wire& wire, Hello const& hello, Direction direction);
    [[nodiscard]] std::string whom() const;
    [[nodiscard]] bool failed() const;

    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work;
    std::list<Wire> wires; ///< that exist, admitted or not
    asio::ip::tcp::resolver resolver{context};
    TokenBucket bucket;
    std::optional<Credentials> credentials; ///< of the called side
    std::size_t placed = 0;                 ///< data connections
    unsigned strangers = 0;                 ///< connections that have not proved who they are
    std::uint64_t heard = 0;                ///< octets of messages that came
    bool has_control = false;

    Mailbox incoming, outgoing; ///< messages
    std::mutex mutable mutex;   // of all below, until it is open; then they stay
    std::condition_variable changed;
    std::optional<outcome::Failure> failure;
    std::vector<std::unique_ptr<DataStream>> streams;
    std::vector<bool> taken;
    Peer peer;
    std::uint16_t version = 0;
    bool is_open = false;

    std::thread thread;
};

} // namespace net
