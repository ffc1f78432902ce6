/// What `migrate VM HOST` may ask for beside that (docs/migrated-socket.md, "move": options).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "hypervisor/suspension.hpp"
#include "migrate/session.hpp"

namespace mover {

struct MoveOptions {
    std::optional<hypervisor::Way> way; ///< none: as the domain can
    std::string policy = "tern";
    double max_downtime = 0.3;               ///< seconds
    double timeout = 120;                    ///< seconds, for the rounds
    int level = 1;                           ///< of zstd; 0: none
    double bandwidth = 0;                    ///< octets a second at most, which is the daemon's to see to; 0: any
    std::chrono::milliseconds wait{120'000}; ///< for a guest that is booting
    std::chrono::milliseconds suspend_patience{10'000}; ///< for a guest that suspends itself
    bool dry_run = false; ///< the other host tries, the guest is looked at, and nothing moves
    migrate::Patience patience{};
};

/// `precondition`: a value makes no sense.
outcome::Result<MoveOptions> options_from(nlohmann::json const& options);

} // namespace mover
