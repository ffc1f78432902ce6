/// What is known of a migration as one page of HTML that needs nothing else: `migrate --report`.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace report {

/// @p known is the daemon's answer to "report" (docs/migrated-socket.md): "migration", and what the engine kept, "report". What is not there is
/// said not to be there. "heard", if somebody outside listened to the guest's heartbeats: "outside_gap_ms", "guest_gap_ms", "blackout_ms",
/// and "beats_ms", when they came, from the last one before the gap on.
std::string page(nlohmann::json const& known);

} // namespace report
