#include "emulate/software_interrupt.hpp"

namespace emulate {

std::optional<SoftwareInterrupt> software_interrupt(std::uint32_t error_code, base::Bytes code, CodeMode mode) {
    // A selector error code: EXT in bit 0, IDT in bit 1, the index from bit 3 on (SDM vol. 3A §6.13).
    constexpr std::uint32_t kExternal = 1;
    constexpr std::uint32_t kIdt = 2;
    if ((error_code & (kExternal | kIdt)) != kIdt)
        return std::nullopt;
    std::uint32_t const vector = error_code >> 3;

    auto const decoded = decode(code, mode);
    if (!decoded || decoded.value().operation != Operation::software_interrupt || decoded.value().immediate != vector)
        return std::nullopt;
    return SoftwareInterrupt{static_cast<std::uint8_t>(vector), decoded.value().length};
}

} // namespace emulate
