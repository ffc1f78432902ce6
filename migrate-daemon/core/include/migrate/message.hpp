/// What the two daemons say to each other over the control connection, as values; proto/ makes octets of them. Who says what when, and
/// why that is safe: docs/migration-protocol.md.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "migrate/journal.hpp"
#include "migrate/records.hpp"

namespace migrate {

/// Versions of the protocol that this code speaks.
inline constexpr std::uint32_t kOldestProtocol = 1;
inline constexpr std::uint32_t kNewestProtocol = 4;
/// From this one on a destination keeps Commit until it has everything, and remembers that it gave up until the source has heard so.
inline constexpr std::uint32_t kEarlyCommit = 2;
/// From this one on a destination says Settled.
inline constexpr std::uint32_t kSettles = 3;
/// From this one on a destination says CaughtUp.
inline constexpr std::uint32_t kCatchesUp = 4;

/// Why a move is refused or given up: for exit codes and metrics. The sentence beside it is for people.
enum class Reason : std::uint8_t {
    none,
    version,    ///< no version that both speak
    features,   ///< the destination's CPUs lack something
    memory,     ///< the destination has too little
    conflict,   ///< a domain of that name or UUID is there, or it is being moved already
    devices,    ///< what the guest is connected to is not there
    stream,     ///< what arrived is corrupt
    image,      ///< the memory as a whole differs
    hypervisor, ///< a call failed
    peer,       ///< the other side was lost, or said what it must not
    timeout,
    policy,    ///< the policy gave up
    user,      ///< somebody cancelled
    restarted, ///< a daemon was restarted in the middle
    last
};

/// Source: who is there? The first message on every connection.
struct Hello {
    std::uint32_t oldest = kOldestProtocol;
    std::uint32_t newest = kNewestProtocol;
    MigrationId id{};
    bool rejoin = false; ///< about a migration that was interrupted: Status follows on both sides, instead of Prepare
    std::string host;
    std::string software;
};

/// Destination: let us speak this version.
struct Welcome {
    std::uint32_t version = kNewestProtocol;
    std::string host;
    std::string software;
};

/// Source: this domain is to come.
struct Prepare {
    std::string vm;
    std::string uuid;
    std::uint64_t frames = 0;
    std::uint32_t vcpus = 0;
    std::uint32_t streams = 1;
    std::uint64_t seed = 0;
    std::string cpu;           ///< features that the guest was shown; opaque to core
    std::string configuration; ///< JSON; opaque to core
};

/// Destination: everything that can exist before the domain does exists.
struct Ready {
    std::string token; ///< each data connection shows it; opaque to core
    std::uint32_t port = 0;
};

/// Source: a round is over. For progress at the other end.
struct RoundReport {
    std::uint32_t round = 0;
    std::uint64_t sent = 0;
    std::uint64_t dirty = 0;
    std::uint64_t microseconds = 0;
};

/// Source: the guest stands still since @p stamp (its hypervisor's nanoseconds).
struct Suspended {
    std::uint64_t stamp = 0;
};

/// Destination: the image is complete, and is that of the source.
struct Verified {};
/// Source: it is yours, as soon as you have all of it. I do not run it again unless you say that you did not take it.
struct Commit {};
/// Destination: it is mine.
struct Committed {};
/// When something happened, by the clock of who noted it (nanoseconds); migrate/blackout.hpp has the names.
struct Mark {
    std::string name;
    std::uint64_t at = 0;
};
/// Destination: it runs since @p stamp (its hypervisor's nanoseconds).
struct Resumed {
    std::uint64_t stamp = 0;
    std::vector<Mark> marks{}; ///< of the blackout, as far as it happened there
};
/// Destination: its devices are connected, or have had long enough for that. What the source still has to do takes nothing from it any more.
struct Settled {
    std::vector<Mark> marks{}; ///< those of Resumed, and what happened since
};
/// Destination, at any time before Committed, and after it if the guest certainly never ran: I did not take it and never will.
struct Dropped {
    Reason reason = Reason::none;
    std::string sentence;
};
/// Source, before commit: it stays here. A destination that was ready to take it answers Dropped.
struct Abort {
    Reason reason = Reason::none;
    std::string sentence;
};
/// Source: nothing is owed any more; forget it.
struct Released {};

/// Either: what my journal says of this migration. The first word when peers meet again.
struct Status {
    Journaled state = Journaled::nothing;
};

/// Either: my clock says @p sent (nanoseconds). The answer comes at once.
struct ClockProbe {
    std::uint64_t sent = 0;
};
struct ClockReply {
    std::uint64_t sent = 0; ///< of the probe
    std::uint64_t here = 0; ///< the answering side's clock
};

/// Source: so many octets of all streams together are on their way. Say so when they are in place.
struct CatchUp {
    std::uint64_t octets = 0;
};
/// Destination: they are.
struct CaughtUp {
    std::uint64_t octets = 0;
};

using Message =
    std::variant<Hello, Welcome, Prepare, Ready, RoundReport, Suspended, Verified, Commit, Committed, Resumed, Settled,
                 Dropped, Abort, Released, Status, ClockProbe, ClockReply, CatchUp, CaughtUp>;

/// The version that both speak, or 0.
constexpr std::uint32_t agreed_version(Hello const& hello) {
    auto const newest = hello.newest < kNewestProtocol ? hello.newest : kNewestProtocol;
    auto const oldest = hello.oldest > kOldestProtocol ? hello.oldest : kOldestProtocol;
    return newest >= oldest ? newest : 0;
}

} // namespace migrate
