/// A share of a domain's time that is to be taken away, as a scheduler's cap.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace policy {

/// What a domain may have: per cent of one CPU; 0 is no cap (`xl sched-credit2 -c`). It could use @p cpus CPUs, and has the cap @p before;
/// @p throttle, 0 to 1, of what it could have then is taken away. Never so much that nothing is left.
inline std::uint16_t cap_for(double throttle, std::uint32_t cpus, std::uint16_t before) {
    if (throttle <= 0)
        return before;
    double const all = 100.0 * std::max(cpus, 1U);
    double const could = before == 0 ? all : std::min<double>(before, all);
    return static_cast<std::uint16_t>(std::clamp(std::round((1 - throttle) * could), 1.0, all));
}

} // namespace policy
