/// Answers GET /metrics, and nothing else: as much of HTTP/1.1 as Prometheus needs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <asio/ip/tcp.hpp>

#include "outcome/failure.hpp"

namespace service {

class MetricsDoor {
  public:
    /// `precondition`: the address is not this host's, or the port is taken.
    static outcome::Result<std::unique_ptr<MetricsDoor>> open(asio::io_context& context, std::string const& address,
                                                              std::uint16_t port, std::function<std::string()> text);
    [[nodiscard]] std::uint16_t port() const;

  private:
    MetricsDoor(asio::io_context& context, std::function<std::string()> text)
        : acceptor_{context}, text_{std::move(text)} {}
    void listen();

    asio::ip::tcp::acceptor acceptor_;
    std::function<std::string()> text_;
};

/// What is answered to a request's head.
std::string http_answer(std::string_view head, std::function<std::string()> const& text);

} // namespace service
