#include "session.hpp"

#include <utility>

#include <asio/read_until.hpp>
#include <asio/write.hpp>

#include "service/results.hpp"
#include "json/text.hpp"

namespace service {
namespace {

constexpr std::size_t kLongestLine = 64U << 10;
/// A caller that does not read misses progress, and nothing else.
constexpr std::size_t kMostWaiting = 64;

} // namespace

using nlohmann::json;
using outcome::Kind;

void Session::begin() { read_line(); }

void Session::read_line() {
    asio::async_read_until(socket_, asio::dynamic_buffer(input_, kLongestLine), '\n',
                           [self = shared_from_this()](asio::error_code error, std::size_t size) {
                               if (error) // has nothing more to say, or has gone; a migration goes on
                                   return;
                               auto const line = self->input_.substr(0, size);
                               self->input_.erase(0, size);
                               self->take(line);
                               self->read_line();
                           });
}

void Session::take(std::string const& line) {
    auto const request = json_text::parse(line);
    auto const refuse = [&](outcome::Failure const& failure) { on_result(failed_result(json::object(), failure)); };
    if (!request.is_object() || !request.contains("request") || !request["request"].is_string())
        return refuse({Kind::precondition, "that is no request", ""});
    if (auto const schema = request.find("schema"); schema != request.end() && *schema != kSchema)
        return refuse({Kind::precondition, "the daemon speaks schema " + std::to_string(kSchema) + " at its socket",
                       "use the migrate that came with it"});
    auto const what = request["request"].get<std::string>();
    if (what == "cancel" && !moving_.empty()) { // its own; the result says what came of it
        supervisor_.cancel(moving_);
        return;
    }
    if (answered_ || !moving_.empty())
        return refuse({Kind::precondition, "one request a connection", ""});
    if (what != "move") {
        on_result(answer_(request));
        return;
    }
    auto started = supervisor_.move(request, shared_from_this());
    if (!started)
        return refuse(started.error());
    moving_ = started.value();
    send({{"progress", {{"id", moving_}, {"state", "begun"}}}});
}

void Session::on_progress(json const& progress) {
    if (output_.size() < kMostWaiting)
        send({{"progress", progress}});
}

void Session::on_result(json const& result) {
    answered_ = true;
    send({{"result", result}});
}

void Session::send(json const& line) {
    output_.push_back(json_text::line(line) + '\n');
    if (output_.size() == 1)
        write_next();
}

void Session::write_next() {
    asio::async_write(socket_, asio::buffer(output_.front()),
                      [self = shared_from_this()](asio::error_code error, std::size_t) {
                          if (error) {
                              self->output_.clear();
                              return;
                          }
                          self->output_.pop_front();
                          if (!self->output_.empty())
                              return self->write_next();
                          if (self->answered_)
                              self->socket_.shutdown(asio::socket_base::shutdown_send, error);
                      });
}

} // namespace service
