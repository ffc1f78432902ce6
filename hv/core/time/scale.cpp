#include "timing/scale.hpp"

#include "base/assert.hpp"

namespace timing {

Scale Scale::ratio(std::uint64_t numerator, std::uint64_t denominator) {
    constexpr auto kLimit = std::uint64_t{1} << 40;
    ASSERT(numerator != 0 && numerator < kLimit && denominator != 0 && denominator < kLimit);

    // Long division, bit by bit, until the quotient has 32 bits. `shift` counts how far the point has moved: the
    // quotient is numerator * 2^(32 - shift) / denominator, and the remainder of each step fits in 64 bits.
    std::uint64_t quotient = numerator / denominator;
    std::uint64_t rest = numerator % denominator;
    int shift = 32;
    while (quotient < (std::uint64_t{1} << 31)) {
        rest <<= 1;
        quotient = (quotient << 1) | (rest >= denominator ? 1 : 0);
        if (rest >= denominator)
            rest -= denominator;
        --shift;
    }
    ASSERT(quotient <= 0xffff'ffff && shift > -32);
    return {static_cast<std::uint32_t>(quotient), static_cast<std::int8_t>(shift)};
}

} // namespace timing
