/// One connection, with TLS or without: what coroutines read from and write to. For the io_context's thread only.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/ssl/stream.hpp>

#include "net/keys.hpp"

namespace net {

class Wire {
  public:
    using Socket = asio::generic::stream_protocol::socket;

    explicit Wire(asio::io_context& context) : socket_{context} {}
    Wire(Wire const&) = delete;
    Wire& operator=(Wire const&) = delete;

    asio::awaitable<asio::error_code> connect(asio::generic::stream_protocol::endpoint endpoint);
    /// Takes a connected socket.
    asio::error_code adopt(int socket);
    /// From here on it is TLS.
    asio::awaitable<asio::error_code> secure(Credentials credentials, asio::ssl::stream_base::handshake_type side);
    /// The certificate that the other side has proved to own; after secure().
    [[nodiscard]] std::optional<Certificate> certificate() const;
    /// What was wrong with it, if that is why secure() failed.
    [[nodiscard]] long verify_result() const;
    [[nodiscard]] std::string address() const;

    asio::awaitable<asio::error_code> write(std::span<std::byte const> octets);
    /// All of @p room, or asio::error::eof.
    asio::awaitable<asio::error_code> read(std::span<std::byte> room);
    asio::awaitable<std::size_t> read_some(std::span<std::byte> room, asio::error_code& error);
    /// Says that nothing more follows. With TLS that is said and answered; nothing may come the other way by then.
    asio::awaitable<void> finish();
    /// The same without TLS's goodbye, while the other side may still be talking.
    void stop_sending();
    /// Whoever awaits it gets asio::error::operation_aborted.
    void close();

  private:
    void tune();

    Socket socket_;
    std::optional<Credentials> credentials_; // outlives tls_, which verifies by it
    std::optional<asio::ssl::stream<Socket&>> tls_;
};

} // namespace net
