/// Virtual interrupts: which there are, and which of them each vCPU has for itself (<xen/xen.h>, VIRQ_*).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "abi/xen.hpp"

namespace events {

inline constexpr std::uint32_t kVirqs = NR_VIRQS;
inline constexpr std::size_t kVcpuVirqs = 4; ///< how many of them are a vCPU's own

/// A number 0..3 for a VIRQ of which each vCPU has its own; nothing for one that the whole domain shares.
constexpr std::optional<std::size_t> vcpu_virq_index(std::uint32_t virq) {
    switch (virq) {
    case VIRQ_TIMER: return 0;
    case VIRQ_DEBUG: return 1;
    case VIRQ_XENOPROF: return 2;
    case VIRQ_XENPMU: return 3;
    default: return std::nullopt;
    }
}
constexpr bool is_global(std::uint32_t virq) { return !vcpu_virq_index(virq); }

} // namespace events
