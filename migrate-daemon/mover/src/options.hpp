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
    double max_downtime = 0.3;                          ///< seconds
    double timeout = 120;                               ///< seconds, for the rounds
    int level = 1;                                      ///< of zstd; 0: none
    std::chrono::milliseconds wait{120'000};            ///< for a guest that is booting
    std::chrono::milliseconds suspend_patience{10'000}; ///< for a guest that suspends itself
    migrate::Patience patience{};
};

/// `precondition`: a value makes no sense.
outcome::Result<MoveOptions> options_from(nlohmann::json const& options);

} // namespace mover
