/// General registers by number, as instructions name them: 0 is RAX, 4 is RSP, 15 is R15.
#pragma once

#include <cstdint>

#include "arch/registers.hpp"

namespace emulate {

inline constexpr unsigned kRax = 0;
inline constexpr unsigned kRcx = 1;
inline constexpr unsigned kRdx = 2;
inline constexpr unsigned kRbx = 3;
inline constexpr unsigned kRsp = 4;
inline constexpr unsigned kRbp = 5;
inline constexpr unsigned kRsi = 6;
inline constexpr unsigned kRdi = 7;

/// A part of a general register that an instruction operates on.
struct Gpr {
    std::uint8_t number = 0;
    bool high_byte = false; ///< AH, CH, DH, BH (of register @p number): one-byte operands without a REX prefix
};

/// The low @p bytes (1, 2, 4 or 8) of a value.
constexpr std::uint64_t truncate(std::uint64_t value, unsigned bytes) {
    return bytes >= 8 ? value : value & ((std::uint64_t{1} << (8 * bytes)) - 1);
}

/// @p value, of @p bytes bytes, with its sign carried up to bit 63.
constexpr std::uint64_t sign_extend(std::uint64_t value, unsigned bytes) {
    unsigned const unused = 64 - 8 * bytes;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused);
}

std::uint64_t& full_register(arch::Registers& registers, unsigned number);
std::uint64_t full_register(arch::Registers const& registers, unsigned number);

std::uint64_t read_gpr(arch::Registers const& registers, Gpr gpr, unsigned bytes);
/// Writes as the CPU does: four bytes clear the upper half, one and two leave the rest alone.
void write_gpr(arch::Registers& registers, Gpr gpr, unsigned bytes, std::uint64_t value);

} // namespace emulate
