/// `migrate`'s side of the daemon's socket (docs/migrated-socket.md): one request, any number of lines of progress, one result.
///
///     auto socket = TRY(DaemonSocket::open(path));
///     TRY(socket.ask({{"request", "move"}, {"vm", "web"}, {"host", "beta"}}));
///     auto const result = TRY(socket.result([](auto const& progress) { … }));
///     return client::status_of(result);
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "outcome/failure.hpp"

namespace client {

class DaemonSocket {
  public:
    /// `connect`, with what to do, if no daemon listens there.
    static outcome::Result<DaemonSocket> open(std::filesystem::path const& path);
    DaemonSocket(DaemonSocket&& other) noexcept;
    DaemonSocket& operator=(DaemonSocket&&) = delete;
    ~DaemonSocket();

    outcome::Result<void> ask(nlohmann::json request);
    /// Takes lines until the result is among them. `attention`: the daemon went away before it; the migration may go on without it.
    outcome::Result<nlohmann::json> result(std::function<void(nlohmann::json const&)> const& on_progress);
    /// Of the move that this socket asked for. Only writes a line: may be called by a signal's handler, and by any thread.
    void cancel() const;

  private:
    explicit DaemonSocket(int socket) : socket_{socket} {}
    outcome::Result<std::string> line();

    int socket_;
    std::string received_;
};

/// The exit status of a program that got @p result: 0 done · 1 failed, the domain is on the source · 3 not begun · 4 no connection ·
/// 5 timed out · 6 cancelled · 7 needs somebody to look at it. (2 are wrong words, which reach no daemon.)
int status_of(nlohmann::json const& result);

} // namespace client
