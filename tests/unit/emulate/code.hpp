/// What the tests of this room share: instructions as bytes, and a guest's registers with a value each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "arch/registers.hpp"
#include "emulate/gpr.hpp"

namespace test {

using Code = std::vector<std::byte>;

inline Code code(std::initializer_list<unsigned> bytes) {
    Code made;
    for (unsigned const byte : bytes)
        made.push_back(static_cast<std::byte>(byte));
    return made;
}

inline constexpr std::uint64_t kRip = 0x400000;

/// Register n holds 0x10000 * (n + 1): RAX 0x10000, RDI 0x80000, R15 0x100000.
inline arch::Registers numbered_registers() {
    arch::Registers registers{};
    for (unsigned number = 0; number < 16; ++number)
        emulate::full_register(registers, number) = 0x10000 * (number + 1);
    registers.rip = kRip;
    registers.rflags = 0x202;
    return registers;
}

} // namespace test
