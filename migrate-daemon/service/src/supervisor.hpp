/// The workers of a daemon: starts them, listens to them, and says what came of those that died. For the io_context's thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/signal_set.hpp>

#include "net/hello.hpp"
#include "service/history.hpp"
#include "service/journal.hpp"
#include "service/log.hpp"
#include "service/metrics.hpp"
#include "service/settings.hpp"
#include "task.hpp"

namespace service {

/// Somebody who asked for a migration.
struct Watcher {
    virtual ~Watcher() = default;
    virtual void on_progress(nlohmann::json const& progress) = 0;
    virtual void on_result(nlohmann::json const& result) = 0;
};

class Supervisor {
  public:
    /// @p program: what a worker is, started with the word "worker".
    Supervisor(asio::io_context& context, Settings const& settings, std::string program, Metrics& metrics);
    ~Supervisor();

    /// The number of the migration. `precondition`: too many, the same domain twice, no process can be had.
    outcome::Result<std::string> move(nlohmann::json const& request, std::shared_ptr<Watcher> watcher);
    outcome::Result<void> receive(net::Hello const& hello, std::uint16_t version, int socket);
    /// A further connection of a migration; takes @p socket.
    void pass(net::Hello const& hello, std::uint16_t version, int socket);
    /// @p word: a person's, that the guest is this host's.
    outcome::Result<void> recover(JournalHead const& head, std::optional<bool> word = {});
    /// A worker has this migration as its destination. A source's is not called: it calls, as long as it has anything to ask.
    [[nodiscard]] bool can_be_called(std::string const& id) const;
    /// A person's word on a migration whose journal has no end, for the process that has it or a new one. `precondition`: there is none.
    outcome::Result<void> resolve(std::string const& which, bool here);
    /// False: no migration under way has this number (its beginning is enough) or this domain.
    bool cancel(std::string const& which);

    [[nodiscard]] bool has(std::string const& id) const { return workers_.contains(id); }
    [[nodiscard]] bool full() const { return workers_.size() >= settings_.most_at_once; }
    [[nodiscard]] bool idle() const { return workers_.empty(); }
    [[nodiscard]] nlohmann::json status() const;
    /// Cancels all; @p then is called when none is left.
    void stop(std::function<void()> then);

  private:
    struct Worker;
    outcome::Result<Worker*> start(Task task);
    void listen(Worker& worker);
    /// What it has sent so far.
    void read_all(Worker& worker);
    void wait_for_children();
    void ended(std::string const& id, int status);
    [[nodiscard]] nlohmann::json result_of_the_dead(Worker const& worker, int status) const;
    [[nodiscard]] std::uint16_t port_of_others() const;
    [[nodiscard]] Task task_for(TaskKind kind, std::string id) const;

    asio::io_context& context_;
    Settings const& settings_;
    std::string program_;
    Metrics& metrics_;
    History history_;
    Log log_;
    asio::signal_set children_;
    std::map<std::string, std::unique_ptr<Worker>> workers_; ///< by number
    std::function<void()> when_idle_;
};

} // namespace service
