/// Hosts for tests: each with keys, a door on the loopback, and one link for who comes in.
#pragma once

#include <chrono>
#include <future>
#include <string>
#include <string_view>
#include <thread>

#include <asio/executor_work_guard.hpp>
#include <asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "folders.hpp"
#include "net/door.hpp"
#include "net/link.hpp"

namespace tests {

inline net::Octets octets(std::string_view text) {
    auto const bytes = std::as_bytes(std::span{text});
    return {bytes.begin(), bytes.end()};
}
inline std::string text(net::Octets const& octets) {
    return {reinterpret_cast<char const*>(octets.data()), octets.size()};
}
/// Long enough for the slowest machine: who waits so long has failed.
inline net::Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds{60}; }

class Host : net::Door::Owner {
  public:
    explicit Host(std::string name, net::Terms its = {}, std::chrono::hours validity = std::chrono::hours{24})
        : terms{its}, name_{std::move(name)}, work_{asio::make_work_guard(context_)} {
        certificate = net::make_keys(keys.path(), name_, net::KeyKind::own, validity).value();
        door_ = std::move(net::Door::open(context_, "127.0.0.1", 0, *this).value());
        port = door_->port();
        thread_ = std::thread{[this] { context_.run(); }};
    }
    Host(Host const&) = delete;
    Host& operator=(Host const&) = delete;
    ~Host() override {
        context_.stop();
        thread_.join();
    }

    [[nodiscard]] net::Credentials credentials() const { return net::Credentials::read(keys.path()).value(); }
    void trust(Host const& other) const { ASSERT_TRUE(net::trust(keys.path(), other.certificate.pem)); }
    /// What calls this host.
    [[nodiscard]] net::Call call_here(std::uint8_t streams = 1) const {
        return {.host = "127.0.0.1", .port = port, .id = net::random_id(), .streams = streams, .credentials = {}};
    }

    Folder keys;
    net::Terms terms;
    net::Certificate certificate;
    std::uint16_t port = 0;
    net::Link called;

  private:
    net::Answer decide(std::optional<net::Hello> const& hello, std::string const&) override {
        auto answer = judge(hello, terms, name_);
        if (hello && hello->purpose == net::Purpose::certificate)
            answer.text = certificate.pem;
        return answer;
    }
    void take(int socket, net::Hello const& hello, std::uint16_t version) override {
        called.attach(socket, hello, version);
    }

    std::string name_;
    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::unique_ptr<net::Door> door_;
    std::thread thread_;
};

/// alpha calls beta.
struct Pair {
    explicit Pair(bool with_tls, std::uint8_t streams = 1) : beta{"beta", {.tls = with_tls, .insecure = !with_tls}} {
        call = beta.call_here(streams);
        if (!with_tls)
            return;
        alpha.trust(beta);
        beta.trust(alpha);
        call.credentials = alpha.credentials();
        beta.called.expect(beta.credentials());
    }
    void open() {
        auto other = std::async(std::launch::async, [&] { return there.accept(soon()); });
        auto const connected = here.connect(call, soon());
        auto const accepted = other.get();
        ASSERT_TRUE(connected) << connected.error().message;
        ASSERT_TRUE(accepted) << accepted.error().message;
    }

    Host alpha{"alpha"};
    Host beta;
    net::Call call;
    net::Link here;
    net::Link& there = beta.called;
};

} // namespace tests
