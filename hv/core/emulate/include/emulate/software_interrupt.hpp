/// `INT n` by a guest. The hypervisor's IDT lets ring 3 use few vectors; any other arrives as #GP with an error code
/// that names the vector (docs/abi.md §4.1, 6).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "emulate/decode.hpp"

namespace emulate {

struct SoftwareInterrupt {
    std::uint8_t vector = 0;
    std::uint8_t length = 0; ///< of the instruction: RIP moves past it if the gate may be used
};

/// The `INT n` that raised #GP with @p error_code, if the bytes at RIP agree; nothing if it was something else.
[[nodiscard]] std::optional<SoftwareInterrupt> software_interrupt(std::uint32_t error_code, base::Bytes code,
                                                                  CodeMode mode);

/// Whether a guest may use a trap gate of privilege @p gate_dpl (0..3) by `INT n`. If so, bounce that vector without
/// an error code; if not, bounce the #GP.
[[nodiscard]] constexpr bool may_use_gate(std::uint8_t gate_dpl, bool in_kernel_mode) {
    return gate_dpl >= (in_kernel_mode ? 1 : 3); // the kernel runs in a virtual ring 1
}

} // namespace emulate
