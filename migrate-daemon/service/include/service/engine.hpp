/// The seam between the daemon and what moves a domain: a worker process has one engine, and runs one migration with it.
///
/// The daemon knows connections, journals, progress and results; the engine knows domains, pages and the protocol between two of its kind.
/// All its calls may block.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "net/link.hpp"
#include "outcome/failure.hpp"
#include "service/journal.hpp"

namespace service {

/// What is asked for by `migrate VM HOST`: the options are the engine's own affair (docs/migrated-socket.md, "move").
struct MoveRequest {
    std::string vm; ///< name, number or UUID
    std::string host;
    nlohmann::json options; ///< an object
};

/// What may come to an engine at any time, in a thread of the workbench.
class Callee {
  public:
    virtual ~Callee() = default;
    /// The other host has called about this migration once more: a link without streams, open.
    virtual void called(std::unique_ptr<net::Link> link) = 0;
    /// An operator, or a daemon that ends, wants it to stop.
    virtual void told_to_stop() = 0;
    /// A person says whose the guest is, this host's or the other's, where no journal can.
    virtual void resolved(bool here) = 0;
    /// The daemon has gone, and nobody passes on a call or a word any more. What need not be waited for here is left to the next daemon's
    /// process, which waits until this one has ended.
    virtual void left_alone() = 0;
};

/// What the engine may use of the worker that it runs in.
class Workbench {
  public:
    virtual ~Workbench() = default;
    /// How many data connections an engine that calls is to have, by the request or the settings.
    [[nodiscard]] virtual std::uint8_t streams() const = 0;
    /// The link to the other host, open. An engine that calls (run_outgoing) asks for it when it has found that it has something to move, with
    /// so many streams; one that was called (run_incoming) has it at once. `connect`: it cannot be had.
    virtual outcome::Result<net::Link*> link(std::uint8_t streams) = 0;
    /// Calls the other host about a migration that has begun: a link without streams, of the caller's. `precondition`: it knows nothing of this
    /// migration (any more); `connect`: it cannot be had now.
    virtual outcome::Result<std::unique_ptr<net::Link>> call_again(std::string const& host) = 0;
    /// Who is called from now on; null: nobody, and when it returns nobody is being called. Without one, being told to stop cancels the link.
    virtual void tell(Callee* callee) = 0;
    /// The link is cancelled: whatever waits for it returns.
    virtual void hang_up() = 0;
    /// This migration's, made when it is first asked for; what is appended to it is on the disk when append() returns. The names are for
    /// people who read it.
    virtual outcome::Result<Journal*> journal(std::string const& vm, std::string const& peer) = 0;
    /// For whoever watches, and for `migrate --status`: an object, small. Any rate; the newest counts. {"state": "precopy", "round": 3 ...}
    virtual void progress(nlohmann::json const& now) = 0;
    /// A line for the log; the migration's number is put before it.
    virtual void log(std::string_view line) = 0;
    /// The results of the newest migrations from here to @p host that moved their guests, a few, the newest first: objects.
    virtual std::vector<nlohmann::json> last_moves(std::string const& host) = 0;
    /// What `migrate --report` is made of: an object of any size.
    virtual void keep_report(nlohmann::json const& report) = 0;
};

/// The fields of `migrate --format json` that the engine knows, an object (or nothing): "vm", "bytes", "rounds", "blackout_ms", "parts" ...
using Summary = nlohmann::json;

class Engine {
  public:
    virtual ~Engine() = default;
    /// Moves a domain of this host. A failure's kind is the exit status of `migrate`.
    virtual outcome::Result<Summary> run_outgoing(MoveRequest const& request, Workbench& bench) = 0;
    /// Takes a domain from the one who called.
    virtual outcome::Result<Summary> run_incoming(Workbench& bench) = 0;
    /// A journal says that a migration was begun, and not how it ended: puts right what can be, alone or with the other host, which may call, too.
    virtual outcome::Result<Summary> recover(JournalHead const& head, std::vector<JournalEntry> const& entries,
                                             Workbench& bench) = 0;
};

using EngineMaker = std::function<std::unique_ptr<Engine>()>;

} // namespace service
