/// migrated: the door for other hosts, the socket for `migrate`, the metrics, and the workers behind them. Everything here happens in one
/// thread, and nothing of it blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <asio/io_context.hpp>

#include "outcome/failure.hpp"
#include "service/settings.hpp"

namespace service {

class Daemon {
  public:
    /// @p worker: the program that is a worker when it is started with the word "worker".
    Daemon(asio::io_context& context, Settings settings, std::string worker);
    Daemon(Daemon const&) = delete;
    Daemon& operator=(Daemon const&) = delete;
    ~Daemon();

    /// `precondition`: an address is taken, or a folder cannot be made. Then it listens, as soon as the context runs.
    outcome::Result<void> open();
    /// Cancels what is under way; @p then is called when nothing is.
    void stop(std::function<void()> then);

    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] std::uint16_t metrics_port() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// What main() of `migrated` is: words, signals, the service manager.
int run_daemon(int count, char** words);

} // namespace service
