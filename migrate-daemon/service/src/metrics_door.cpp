#include "metrics_door.hpp"

#include <chrono>
#include <utility>

#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <fcntl.h>

namespace service {
namespace {

using asio::ip::tcp;

constexpr std::size_t kLongestHead = 8U << 10;
constexpr std::chrono::seconds kPatience{10};

struct Visit : std::enable_shared_from_this<Visit> {
    Visit(tcp::socket its, std::function<std::string()> const& said)
        : socket{std::move(its)}, clock{socket.get_executor()}, text{said} {}

    tcp::socket socket;
    asio::steady_timer clock;
    std::function<std::string()> text;
    std::string head, answer;

    void begin() {
        clock.expires_after(kPatience);
        clock.async_wait([weak = weak_from_this()](asio::error_code cancelled) {
            asio::error_code ignored;
            if (auto const self = weak.lock(); self && !cancelled)
                self->socket.close(ignored);
        });
        asio::async_read_until(socket, asio::dynamic_buffer(head, kLongestHead), "\r\n\r\n",
                               [self = shared_from_this()](asio::error_code error, std::size_t) {
                                   if (!error)
                                       self->reply();
                               });
    }
    void reply() {
        answer = http_answer(head, text);
        asio::async_write(socket, asio::buffer(answer),
                          [self = shared_from_this()](asio::error_code error, std::size_t) {
                              self->socket.shutdown(tcp::socket::shutdown_send, error);
                          });
    }
};

} // namespace

std::string http_answer(std::string_view head, std::function<std::string()> const& text) {
    auto const line = head.substr(0, head.find("\r\n"));
    bool const get = line.starts_with("GET ");
    bool const known = line.starts_with("GET /metrics ") || line.starts_with("GET /metrics?");
    auto const status = known ? "200 OK" : get ? "404 Not Found" : "405 Method Not Allowed";
    auto const body = known ? text() : std::string{"/metrics is all there is\n"};
    return std::string{"HTTP/1.1 "} + status +
           "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

outcome::Result<std::unique_ptr<MetricsDoor>> MetricsDoor::open(asio::io_context& context, std::string const& address,
                                                                std::uint16_t port, std::function<std::string()> text) {
    std::unique_ptr<MetricsDoor> door{new MetricsDoor{context, std::move(text)}};
    asio::error_code error;
    tcp::endpoint const end{asio::ip::make_address(address, error), port};
    if (!error)
        door->acceptor_.open(end.protocol(), error);
    if (!error)
        door->acceptor_.set_option(tcp::acceptor::reuse_address{true}, error);
    if (!error)
        door->acceptor_.bind(end, error);
    if (!error)
        door->acceptor_.listen(8, error);
    if (error)
        return outcome::fail(outcome::Kind::precondition, "metrics cannot be asked for at " + address + ", port " +
                                                              std::to_string(port) + ": " + error.message());
    door->listen();
    return door;
}

void MetricsDoor::listen() {
    acceptor_.async_accept([this](asio::error_code error, tcp::socket socket) {
        if (error == asio::error::operation_aborted)
            return;
        if (!error)
            std::make_shared<Visit>(std::move(socket), text_)->begin();
        listen();
    });
}

std::uint16_t MetricsDoor::port() const {
    asio::error_code ignored;
    return acceptor_.local_endpoint(ignored).port();
}

} // namespace service
