/// How long a hypercall may hold its CPU (SP-9).
#pragma once

#include <cstdint>

#include "domain/system.hpp"
#include "domain/vcpu.hpp"

namespace domain {

inline constexpr std::uint64_t kHypercallSliceMicroseconds = 500;

/// A hypercall of @p vcpu begins on this CPU.
void start_slice(Vcpu& vcpu);

/// True once the hypercall on this CPU has run for its slice: continue it later (Error::preempted).
[[nodiscard]] bool slice_is_over(System& system);
[[nodiscard]] bool should_yield(Vcpu& vcpu);

} // namespace domain
