// What goes over a link that is open: messages both ways, streams one way.

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <asio/ssl/error.hpp>

#include "explain.hpp"
#include "into.hpp"
#include "link_impl.hpp"

namespace net {
namespace {

using std::chrono::milliseconds;

/// A message is often a lone segment, and the next one comes only when it is answered: if it is lost, nothing shows the gap, and TCP waits
/// for its timer, 200 ms at least. So if nothing was heard, fillers follow after 10, 20 and 40 ms: the acknowledgement of any of them
/// tells the kernel what is missing.
constexpr milliseconds kFirstFiller{10};
constexpr unsigned kFillers = 3;
constexpr std::array<std::byte, 4> kFiller{}; // a message of no octets: docs/migration-wire.md

/// What TLS gives at most at a time is 16 KiB.
constexpr std::size_t kReadAtOnce = 32U << 10;
/// Under a limit, pieces are small enough that none takes longer than about 10 ms of the link's share.
constexpr std::size_t kSmallestPiece = 4U << 10;
constexpr std::size_t kLargestPiece = 256U << 10;

std::size_t piece_at(std::uint64_t rate) {
    return rate == 0 ? kLargestPiece : std::clamp<std::size_t>(rate / 100, kSmallestPiece, kLargestPiece);
}

} // namespace

asio::awaitable<void> Link::Impl::write_messages(Wire& wire) {
    unsigned fillers = kFillers;
    std::uint64_t heard_before = 0;
    for (;;) {
        std::optional<milliseconds> patience;
        if (fillers < kFillers)
            patience = kFirstFiller * (1U << fillers);
        auto frame = co_await outgoing.next(patience);
        asio::error_code error;
        if (frame) {
            fillers = 0;
            heard_before = heard;
            error = co_await wire.write(*frame);
            outgoing.done(std::move(*frame));
        } else if (outgoing.over()) {
            break;
        } else if (heard != heard_before) {
            fillers = kFillers;
        } else {
            ++fillers;
            error = co_await wire.write(kFiller);
        }
        if (error) {
            fail(explain_loss(error, whom()));
            co_return;
        }
    }
    wire.stop_sending();
}

asio::awaitable<void> Link::Impl::read_messages(Wire& wire) {
    for (;;) {
        std::uint32_t length = 0;
        auto error = co_await wire.read(std::as_writable_bytes(std::span{&length, 1}));
        Octets message;
        if (!error && length > kMostMessage) {
            fail({outcome::Kind::failed, whom() + " sends a message that is longer than any can be", ""});
            co_return;
        }
        if (!error) {
            heard += sizeof length + length;
            message.resize(length);
            if (length != 0)
                error = co_await wire.read(message);
        }
        if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
            incoming.end();
            break;
        }
        if (error) {
            fail(explain_loss(error, whom()));
            co_return;
        }
        if (length != 0 && !co_await incoming.offer(std::move(message)))
            co_return;
    }
    std::unique_lock lock{mutex};
    bool const too_early = !is_open;
    lock.unlock();
    if (too_early)
        fail({outcome::Kind::connect, whom() + " gave up before all connections were there", ""});
}

asio::awaitable<void> Link::Impl::send_stream(Wire& wire, DataStream::State& stream) {
    for (;;) {
        auto octets = co_await stream.mail.next();
        if (!octets)
            break;
        std::span<std::byte const> left{*octets};
        asio::error_code error;
        while (!left.empty() && !error) {
            auto const piece = left.first(std::min(left.size(), piece_at(bucket.rate())));
            if (auto const wait = bucket.take(TokenBucket::Clock::now(), piece.size()); wait.count() > 0) {
                stream.pause.expires_after(wait);
                co_await stream.pause.async_wait(into(error));
            }
            if (!error)
                error = co_await wire.write(piece);
            if (!error)
                stream.moved.fetch_add(piece.size(), std::memory_order_relaxed);
            left = left.subspan(piece.size());
        }
        if (error) {
            fail(explain_loss(error, whom()));
            co_return;
        }
        stream.mail.done(std::move(*octets));
    }
    co_await wire.finish();
}

asio::awaitable<void> Link::Impl::receive_stream(Wire& wire, DataStream::State& stream) {
    for (;;) {
        auto room = stream.mail.spare();
        room.resize(kReadAtOnce);
        asio::error_code error;
        auto const count = co_await wire.read_some(room, error);
        if (error == asio::error::eof)
            break;
        if (error) {
            fail(explain_loss(error, whom()));
            co_return;
        }
        stream.moved.fetch_add(count, std::memory_order_relaxed);
        room.resize(count);
        if (!co_await stream.mail.offer(std::move(room)))
            co_return;
    }
    stream.mail.end();
    co_await wire.finish();
}

} // namespace net
