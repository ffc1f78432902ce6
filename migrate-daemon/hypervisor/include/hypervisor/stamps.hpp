/// This host's clocks, and when a domain ran by them: what a downtime is measured with.
#pragma once

#include <cstdint>

#include "hypervisor/failure.hpp"
#include "hypervisor/toolstack.hpp"

namespace hypervisor {

/// Nanoseconds of this host's system time, which counts from its start; 0: never.
struct Stamps {
    std::uint64_t now = 0;
    std::uint64_t last_ran = 0;      ///< of a domain that stands still: its last instruction
    std::uint64_t first_ran = 0;     ///< since it was made, or last stood still
    std::uint64_t timer_stopped = 0; ///< of a domain that has suspended itself: when its own clock stopped
    std::uint64_t timer_set = 0;     ///< first, since it was made, or last stood still: when its own clock went on
};

Result<Stamps> stamps_of(Toolstack const& tools, std::uint32_t domain);

} // namespace hypervisor
