/// Multiplication by a fixed ratio without division, in the form that pvclock shows to guests
/// (<xen/xen.h>, vcpu_time_info): shift first, then multiply by a fraction of 2^32.
#pragma once

#include <cstdint>

namespace timing {

struct Scale {
    std::uint32_t multiplier = 0; ///< in units of 2^-32; its top bit is set, for precision
    std::int8_t shift = 0;        ///< to the left; negative: to the right

    /// The ratio @p numerator / @p denominator; both below 2^40 and not 0, and the ratio between 2^-31 and 2^31.
    static Scale ratio(std::uint64_t numerator, std::uint64_t denominator);

    /// Exactly what a guest computes.
    [[nodiscard]] constexpr std::uint64_t apply(std::uint64_t value) const {
        auto const shifted = shift < 0 ? value >> -shift : value << shift;
        return static_cast<std::uint64_t>((static_cast<unsigned __int128>(shifted) * multiplier) >> 32);
    }
};

} // namespace timing
