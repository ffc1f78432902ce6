/// What is done about a guest that has begun to run at its destination, by whoever made it run.
#pragma once

#include <cstdint>

#include "service/engine.hpp"
#include "subject.hpp"

namespace mover {

/// When it ran its first instruction here, by this host's monotonic clock; 0 if that is not to be had.
std::uint64_t ran_at(hypervisor::Toolstack const& tools, std::uint32_t domain);

/// When its own clock went on here, which a guest does that had suspended itself; as ran_at().
std::uint64_t clock_went_on_at(hypervisor::Toolstack const& tools, std::uint32_t domain);

/// It gets its name, and somebody who waits for its end. What cannot be done is logged.
void settle(hypervisor::Toolstack const& tools, Subject const& subject, service::Workbench& bench);

} // namespace mover
