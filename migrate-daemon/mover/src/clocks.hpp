/// This host's clock, by which both ends stamp what happens; migrate::ClockRelation relates two of them.
#pragma once

#include <cstdint>

namespace mover {

/// CLOCK_MONOTONIC, nanoseconds.
std::uint64_t monotonic();

/// A moment of the hypervisor's clock, which is at @p hypervisor_now, by this one.
inline std::uint64_t as_monotonic(std::uint64_t stamp, std::uint64_t hypervisor_now) {
    return monotonic() - (hypervisor_now - stamp);
}

} // namespace mover
