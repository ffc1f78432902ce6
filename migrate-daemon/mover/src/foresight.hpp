/// What can be said of a move before it is made: from earlier moves between the two hosts, and from what the guest writes now.
#pragma once

#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "hypervisor/dirty_log.hpp"
#include "policy/forecast.hpp"

namespace mover {

/// Of a blackout, all but the last pages, in seconds: the least of the moves before, whose results @p moves are (Workbench::last_moves).
double foreseen_fixed(std::vector<nlohmann::json> const& moves, double budget);

/// How fast pages went the last time; nothing if there was none.
struct Pace {
    double bandwidth = 0; ///< octets a second
    double ratio = 1;     ///< octets of pages for each of them
};
std::optional<Pace> last_pace(std::vector<nlohmann::json> const& moves);

/// Looks for a second and a bit at what @p domain writes. It is not touched.
outcome::Result<policy::Writer> look_at(hypervisor::Toolstack const& tools, std::uint32_t domain, double frames);

/// As it stands in `migrate --dry-run --format json`.
nlohmann::json forecast_of(policy::Forecast const& foreseen);

} // namespace mover
