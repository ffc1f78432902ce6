/// Integer arithmetic with the flags that the CPU would leave (SDM vol. 2, each instruction's "Flags Affected").
#pragma once

#include <cstdint>

#include "emulate/decode.hpp"

namespace emulate {

struct AluResult {
    std::uint64_t value = 0; ///< the destination afterwards, truncated to the operand size
    std::uint64_t rflags = 0;
};

/// @p operation on operands of @p bytes bytes: one of add .. neg, and cmpxchg's comparison as `sub`. Flags that the
/// manual calls undefined are left as processors leave them: AF is cleared by logic operations.
[[nodiscard]] AluResult compute(Operation operation, std::uint64_t destination, std::uint64_t source, unsigned bytes,
                                std::uint64_t rflags);

/// BTS, BTR or BTC of bit @p bit (already reduced to the operand): only CF changes.
[[nodiscard]] AluResult change_bit(Operation operation, std::uint64_t destination, unsigned bit, std::uint64_t rflags);

} // namespace emulate
