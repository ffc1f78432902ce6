// How a connection becomes one of a link's: docs/migration-wire.md, "First octets".

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <openssl/x509_vfy.h>
#include <unistd.h>

#include "explain.hpp"
#include "into.hpp"
#include "link_impl.hpp"

namespace net {
namespace {

using outcome::Failure;
using outcome::Kind;

constexpr unsigned kMostStrangers = 32;

Failure refused(std::string const& host, std::string const& text) {
    return {Kind::connect, "refused by " + host + ": " + printable(text), ""};
}

} // namespace

asio::awaitable<void> Link::Impl::open(Call call) {
    asio::error_code error;
    auto const found = co_await resolver.async_resolve(call.host, std::to_string(call.port), into(error));
    if (error)
        co_return fail(explain_opening(error, call.host));
    Ends ends;
    for (auto const& one : found)
        ends.emplace_back(one.endpoint());
    bool const again = call.purpose == Purpose::again;
    Hello hello{.newest = kVersion,
                .oldest = kOldest,
                .purpose = call.purpose,
                .secure = call.credentials.has_value(),
                .index = 0,
                .streams = again ? std::uint8_t{1} : call.streams,
                .id = call.id};
    if (failed())
        co_return;
    auto& control = wires.emplace_back(context);
    if (!co_await reach(control, call, hello, ends))
        co_return;
    begin(control, hello, Direction::out);
    if (again)
        co_return;
    hello.purpose = Purpose::data;
    for (hello.index = 0; hello.index < call.streams; ++hello.index)
        start(call_data(call, hello, ends));
}

asio::awaitable<void> Link::Impl::call_data(Call call, Hello hello, Ends ends) {
    if (failed())
        co_return;
    auto& wire = wires.emplace_back(context);
    if (co_await reach(wire, call, hello, std::move(ends)))
        begin(wire, hello, Direction::out);
}

asio::awaitable<bool> Link::Impl::reach(Wire& wire, Call const& call, Hello hello, Ends ends) {
    asio::error_code error = asio::error::host_not_found;
    for (auto const& end : ends) {
        error = co_await wire.connect(end);
        if (!error || failed())
            break;
    }
    auto const ours = octets_of(hello);
    if (!error)
        error = co_await wire.write(ours);
    std::array<std::byte, kAnswerSize> head{};
    if (!error)
        error = co_await wire.read(head);
    auto answer = answer_from(head);
    std::string text;
    if (!error && answer && answer->text != 0) {
        text.resize(answer->text);
        error = co_await wire.read(std::as_writable_bytes(std::span{text}));
    }
    if (error) {
        fail(explain_opening(error, call.host));
        co_return false;
    }
    if (!answer) {
        fail({Kind::connect,
              "what listens at " + call.host + ", port " + std::to_string(call.port) + ", is no migrated", ""});
        co_return false;
    }
    if (answer->answer.verdict != Verdict::welcome) {
        auto why = refused(call.host, text);
        if (call.purpose == Purpose::again && answer->answer.verdict == Verdict::unknown_migration)
            why.kind = Kind::precondition;
        fail(std::move(why));
        co_return false;
    }
    if (answer->answer.version < kOldest || answer->answer.version > kVersion) {
        fail({Kind::connect, call.host + " chose a version of the protocol that was not offered", ""});
        co_return false;
    }
    if (call.credentials) {
        error = co_await wire.secure(*call.credentials, asio::ssl::stream_base::client);
        if (error) {
            fail(explain_opening(error, call.host, wire.verify_result()));
            co_return false;
        }
    }
    // Whether we are trusted is known only now; if not, the reason can be read though this cannot be written any more.
    static_cast<void>(co_await wire.write(ours));
    std::array<std::byte, kAnswerSize> confirmed{};
    error = co_await wire.read(confirmed);
    if (error) {
        fail(explain_opening(error, call.host));
        co_return false;
    }
    if (confirmed != head) {
        fail({Kind::connect, "somebody altered what " + call.host + " answered", ""});
        co_return false;
    }
    {
        std::lock_guard const lock{mutex};
        version = answer->answer.version;
    }
    co_return admit(wire, hello, call.host);
}

asio::awaitable<void> Link::Impl::welcome(int socket, Hello hello, std::uint16_t chosen) {
    if (failed() || strangers == kMostStrangers) {
        ::close(socket);
        co_return;
    }
    auto& wire = wires.emplace_back(context);
    ++strangers;
    if (wire.adopt(socket))
        ::close(socket);
    bool const known = co_await prove(wire, hello, chosen);
    --strangers;
    if (known)
        begin(wire, hello, Direction::in);
    else
        wires.remove_if([&](Wire const& one) { return &one == &wire; });
}

asio::awaitable<bool> Link::Impl::prove(Wire& wire, Hello hello, std::uint16_t chosen) {
    // Anybody can know the number of a migration: a data connection that proves to be none of ours hurts nobody else.
    bool const first = hello.purpose != Purpose::data;
    asio::error_code error;
    if (hello.secure != credentials.has_value()) {
        if (first)
            fail({Kind::connect, "a connection with TLS and one without do not fit together", ""});
        co_return false;
    }
    if (credentials)
        error = co_await wire.secure(*credentials, asio::ssl::stream_base::server);
    HelloOctets repeated{};
    auto const verified = wire.verify_result();
    if (!error)
        error = co_await wire.read(repeated);
    if (error) {
        if (first)
            fail(explain_opening(error, wire.address(), verified));
        co_return false;
    }
    if (repeated != octets_of(hello)) {
        if (first)
            fail({Kind::connect, "somebody altered the first octets that came from " + wire.address(), ""});
        co_return false;
    }
    {
        std::lock_guard const lock{mutex};
        version = chosen;
    }
    auto const shown = wire.certificate();
    if (!admit(wire, hello, shown ? shown->name : wire.address()))
        co_return false;
    auto const answer = octets_of(Answer{.version = chosen, .verdict = Verdict::welcome, .text = {}});
    error = co_await wire.write(std::as_bytes(std::span{answer}));
    if (error)
        fail(explain_opening(error, wire.address()));
    co_return !error;
}

bool Link::Impl::admit(Wire const& wire, Hello const& hello, std::string const& name) {
    auto const shown = wire.certificate();
    auto const fingerprint = shown ? shown->fingerprint : std::string{};
    std::lock_guard const lock{mutex};
    if (failure)
        return false;
    if (hello.purpose != Purpose::data) {
        if (has_control)
            return false;
        has_control = true;
        peer = {.name = name, .address = wire.address(), .fingerprint = fingerprint};
        if (hello.purpose == Purpose::control)
            for (unsigned i = 0; i < hello.streams; ++i)
                streams.emplace_back(new DataStream{std::make_unique<DataStream::State>(context)});
        taken.resize(streams.size());
        return true;
    }
    if (!has_control || hello.streams != streams.size() || taken[hello.index] || fingerprint != peer.fingerprint)
        return false;
    taken[hello.index] = true;
    return true;
}

void Link::Impl::begin(Wire& wire, Hello const& hello, Direction direction) {
    if (hello.purpose != Purpose::data) {
        start(read_messages(wire));
        start(write_messages(wire));
    } else {
        auto& stream = *streams[hello.index]->state_;
        start(direction == Direction::out ? send_stream(wire, stream) : receive_stream(wire, stream));
        ++placed;
    }
    std::lock_guard const lock{mutex};
    is_open = placed == streams.size();
    changed.notify_all();
}

} // namespace net
