/// Segment descriptors and selectors that a guest hands in (docs/abi.md §2.7, SP-29).
#pragma once

#include <cstdint>

#include "abi/xen.hpp"
#include "base/result.hpp"
#include "emulate/decode.hpp"

namespace emulate {

/// The descriptor to put into the copy of a guest's GDT or LDT for its @p descriptor: DPL 3, Accessed set.
/// One that is not present (the null one too) is taken as it is. Error::invalid for what a guest may not have: system
/// descriptors, gates and conforming code.
[[nodiscard]] base::Result<std::uint64_t> checked_descriptor(std::uint64_t descriptor);

/// @p selector as the hardware may see it: RPL 3. Null stays null; a selector into the hypervisor's own pages of the
/// GDT becomes null unless it is one of the FLAT_RING3 ones that the ABI offers.
[[nodiscard]] constexpr std::uint16_t ring3_selector(std::uint16_t selector) {
    constexpr unsigned kRplMask = 3;
    constexpr unsigned kLocal = 4; // TI: the LDT
    auto const ring3 = static_cast<std::uint16_t>(selector | kRplMask);
    bool const null = (selector & ~kRplMask) == 0;
    bool const reserved = (selector & kLocal) == 0 && selector >= FIRST_RESERVED_GDT_BYTE;
    bool const offered = ring3 == FLAT_RING3_CS32 || ring3 == FLAT_RING3_CS64 || ring3 == FLAT_RING3_DS32;
    return null || (reserved && !offered) ? std::uint16_t{0} : ring3;
}

/// How code runs in a segment with this descriptor (from the copy that the CPU uses).
[[nodiscard]] CodeMode code_mode(std::uint64_t descriptor);

} // namespace emulate
