/// This host's clock, by which both ends stamp what happens; migrate::ClockRelation relates two of them.
#pragma once

#include <cstdint>

namespace mover {

/// CLOCK_MONOTONIC, nanoseconds.
std::uint64_t monotonic();

} // namespace mover
