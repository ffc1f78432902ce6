/// A vCPU's timers: they raise VIRQ_TIMER on it (docs/abi.md §5.6). Times are nanoseconds of system time: the host's, where
/// nothing else is said.
#pragma once

#include <cstdint>

#include "domain/system.hpp"
#include "domain/vcpu.hpp"

namespace domain {

using timing::kNever;
inline constexpr std::uint64_t kShortestPeriod = 1'000'000;            ///< 1 ms, as Xen
inline constexpr std::uint64_t kLongestPeriod = 0x7fff'ffff'ffff'ffff; ///< signed time

/// (Re)starts @p timer of @p vcpu on this CPU.
void start_timer(Vcpu& vcpu, timing::Timer& timer, std::uint64_t deadline, std::uint64_t period = 0);

/// Says what the timers of a new @p vcpu do when they fire.
void bind_timers(Vcpu& vcpu);

/// @p deadline is the guest's; one in the past fires at once.
void set_singleshot_timer(Vcpu& vcpu, std::uint64_t deadline);
void stop_singleshot_timer(Vcpu& vcpu);
void set_periodic_timer(Vcpu& vcpu, std::uint64_t period);
void stop_periodic_timer(Vcpu& vcpu);

} // namespace domain
