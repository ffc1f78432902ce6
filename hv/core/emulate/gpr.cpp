#include "emulate/gpr.hpp"

#include <array>

#include "base/assert.hpp"

namespace emulate {
namespace {

using arch::Registers;

constexpr std::array<std::uint64_t Registers::*, 16> kByNumber = {
    &Registers::rax, &Registers::rcx, &Registers::rdx, &Registers::rbx, &Registers::rsp, &Registers::rbp,
    &Registers::rsi, &Registers::rdi, &Registers::r8,  &Registers::r9,  &Registers::r10, &Registers::r11,
    &Registers::r12, &Registers::r13, &Registers::r14, &Registers::r15,
};

} // namespace

std::uint64_t& full_register(Registers& registers, unsigned number) {
    ASSERT(number < kByNumber.size());
    return registers.*kByNumber[number];
}

std::uint64_t full_register(Registers const& registers, unsigned number) {
    ASSERT(number < kByNumber.size());
    return registers.*kByNumber[number];
}

std::uint64_t read_gpr(Registers const& registers, Gpr gpr, unsigned bytes) {
    std::uint64_t const whole = full_register(registers, gpr.number);
    return truncate(gpr.high_byte ? whole >> 8 : whole, bytes);
}

void write_gpr(Registers& registers, Gpr gpr, unsigned bytes, std::uint64_t value) {
    std::uint64_t& whole = full_register(registers, gpr.number);
    if (bytes >= 4) {
        whole = truncate(value, bytes);
        return;
    }
    unsigned const shift = gpr.high_byte ? 8 : 0;
    std::uint64_t const mask = truncate(~std::uint64_t{0}, bytes) << shift;
    whole = (whole & ~mask) | ((value << shift) & mask);
}

} // namespace emulate
