/// One caller at the daemon's socket: docs/migrated-socket.md.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include <asio/local/stream_protocol.hpp>
#include <asio/streambuf.hpp>
#include <nlohmann/json.hpp>

#include "supervisor.hpp"

namespace service {

class Session : public Watcher, public std::enable_shared_from_this<Session> {
  public:
    /// Answers what needs no migration.
    using Answerer = std::function<nlohmann::json(nlohmann::json const& request)>;

    Session(asio::local::stream_protocol::socket socket, Supervisor& supervisor, Answerer answer)
        : socket_{std::move(socket)}, supervisor_{supervisor}, answer_{std::move(answer)} {}
    void begin();

    void on_progress(nlohmann::json const& progress) override;
    void on_result(nlohmann::json const& result) override;

  private:
    void read_line();
    void take(std::string const& line);
    void send(nlohmann::json const& line);
    void write_next();

    asio::local::stream_protocol::socket socket_;
    Supervisor& supervisor_;
    Answerer answer_;
    std::string input_;
    std::deque<std::string> output_;
    std::string moving_; ///< the number of the migration that was asked for
    bool answered_ = false;
};

} // namespace service
