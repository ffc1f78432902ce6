#include "wire.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <openssl/pem.h>

#include "credentials.hpp"
#include "into.hpp"

namespace net {

// A peer that has gone without a word (its power, its wire) must be noticed, and one whose wire is out for a second must not be given up:
// 20 s without an acknowledgement, whether or not there was something to send. A lone segment that is lost costs at least 200 ms
// before TCP sends it again, unless something follows that shows the gap: Link's messages see to that (pumps.cpp); in a
// stream, more than one segment is under way, and Linux probes for a lost tail after two round trips.
void Wire::tune() {
    int const one = 1, idle = 10, interval = 5;
    unsigned const dead_after_ms = 20'000;
    // What waits unsent in the kernel is time that nobody sees: a last round would have to wait behind it.
    unsigned const unsent = 256U << 10;
    int const socket = socket_.native_handle();
    // A program that libxl starts, a script for a device say, must not keep the connection open when this process is gone.
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    // A socket that is no TCP socket (a test's) refuses these, which is all right.
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_after_ms, sizeof dead_after_ms);
    setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

asio::awaitable<asio::error_code> Wire::connect(asio::generic::stream_protocol::endpoint endpoint) {
    asio::error_code error;
    socket_.close(error);
    socket_.open(endpoint.protocol(), error);
    if (!error)
        co_await socket_.async_connect(endpoint, into(error));
    if (!error)
        tune();
    co_return error;
}

asio::error_code Wire::adopt(int socket) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    asio::error_code error;
    if (getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0)
        error.assign(errno, asio::error::get_system_category());
    else
        socket_.assign(asio::generic::stream_protocol{name.ss_family, 0}, socket, error);
    if (!error)
        tune();
    return error;
}

asio::awaitable<asio::error_code> Wire::secure(Credentials credentials, asio::ssl::stream_base::handshake_type side) {
    credentials_.emplace(std::move(credentials));
    asio::error_code error;
    auto* const session = SSL_new(credentials_->state().context.get());
    if (session == nullptr)
        co_return asio::error::no_memory;
    tls_.emplace(socket_, session);
    co_await tls_->async_handshake(side, into(error));
    co_return error;
}

std::optional<Certificate> Wire::certificate() const {
    if (!tls_)
        return std::nullopt;
    X509Owner const shown{SSL_get1_peer_certificate(const_cast<Wire*>(this)->tls_->native_handle())};
    BioOwner const out{BIO_new(BIO_s_mem())};
    char* text = nullptr;
    if (!shown || PEM_write_bio_X509(out.get(), shown.get()) != 1)
        return std::nullopt;
    auto const size = BIO_get_mem_data(out.get(), &text);
    auto const parsed = certificate_from(std::string(text, static_cast<std::size_t>(size)));
    return parsed ? std::optional{parsed.value()} : std::nullopt;
}

long Wire::verify_result() const {
    return tls_ ? SSL_get_verify_result(const_cast<Wire*>(this)->tls_->native_handle()) : X509_V_OK;
}

std::string Wire::address() const {
    asio::error_code error;
    auto const end = socket_.remote_endpoint(error);
    char text[INET6_ADDRSTRLEN] = "";
    sockaddr_storage name{};
    if (error)
        return "?";
    std::memcpy(&name, end.data(), std::min(sizeof name, end.size()));
    if (name.ss_family == AF_INET)
        inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in const*>(&name)->sin_addr, text, sizeof text);
    else if (name.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6 const*>(&name)->sin6_addr, text, sizeof text);
    std::string const shown{text};
    if (shown.starts_with("::ffff:")) // IPv4, to a socket that takes both
        return shown.substr(7);
    return shown.empty() ? "this host" : shown;
}

asio::awaitable<asio::error_code> Wire::write(std::span<std::byte const> octets) {
    asio::error_code error;
    auto const buffer = asio::buffer(octets.data(), octets.size());
    if (tls_)
        co_await asio::async_write(*tls_, buffer, into(error));
    else
        co_await asio::async_write(socket_, buffer, into(error));
    co_return error;
}

asio::awaitable<asio::error_code> Wire::read(std::span<std::byte> room) {
    asio::error_code error;
    auto const buffer = asio::buffer(room.data(), room.size());
    if (tls_)
        co_await asio::async_read(*tls_, buffer, into(error));
    else
        co_await asio::async_read(socket_, buffer, into(error));
    co_return error;
}

asio::awaitable<std::size_t> Wire::read_some(std::span<std::byte> room, asio::error_code& error) {
    auto const buffer = asio::buffer(room.data(), room.size());
    std::size_t count = 0;
    if (tls_)
        count = co_await tls_->async_read_some(buffer, into(error));
    else
        count = co_await socket_.async_read_some(buffer, into(error));
    co_return count;
}

asio::awaitable<void> Wire::finish() {
    asio::error_code ignored; // whoever reads it knows by what was said whether it was all
    if (tls_)
        co_await tls_->async_shutdown(into(ignored));
    stop_sending();
}

void Wire::stop_sending() {
    asio::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
}

void Wire::close() {
    asio::error_code ignored;
    socket_.close(ignored);
}

} // namespace net
