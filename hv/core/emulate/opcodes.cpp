#include "opcodes.hpp"

namespace emulate {
namespace {

static_assert(static_cast<unsigned>(Operation::add) == 0 && static_cast<unsigned>(Operation::bit_xor) == 6,
              "the arithmetic operations are numbered as opcodes and ModRM.reg number them");

constexpr Size size_of(std::uint8_t opcode) { return (opcode & 1) == 0 ? Size::byte : Size::natural; }
constexpr Size port_size_of(std::uint8_t opcode) { return (opcode & 1) == 0 ? Size::byte : Size::no_quad; }

/// ADD to XOR lie eight opcodes apart, in the order of Operation; the first two of each eight store to memory.
constexpr std::optional<Pattern> arithmetic_pattern(std::uint8_t opcode) {
    if (opcode >= 0x38 || (opcode & 6) != 0)
        return std::nullopt;
    return Pattern{static_cast<Operation>(opcode >> 3), Form::rm_reg, size_of(opcode)};
}

} // namespace

std::optional<Pattern> one_byte_pattern(std::uint8_t opcode) {
    using enum Operation;
    if (auto const arithmetic = arithmetic_pattern(opcode))
        return arithmetic;
    switch (opcode) {
    case 0x6c:
    case 0x6d: return Pattern{ins, Form::string, port_size_of(opcode)};
    case 0x6e:
    case 0x6f: return Pattern{outs, Form::string, port_size_of(opcode)};
    case 0x80: return Pattern{{}, Form::rm_imm8, Size::byte, Group::arithmetic};
    case 0x81: return Pattern{{}, Form::rm_imm, Size::natural, Group::arithmetic};
    case 0x83: return Pattern{{}, Form::rm_imm8, Size::natural, Group::arithmetic};
    case 0x86:
    case 0x87: return Pattern{xchg, Form::rm_reg, size_of(opcode)};
    case 0x88:
    case 0x89: return Pattern{mov, Form::rm_reg, size_of(opcode)};
    case 0xa2:
    case 0xa3: return Pattern{mov, Form::absolute, size_of(opcode)};
    case 0xaa:
    case 0xab: return Pattern{stos, Form::string, size_of(opcode)};
    case 0xc6:
    case 0xc7: return Pattern{{}, Form::rm_imm, size_of(opcode), Group::move};
    case 0xcd: return Pattern{software_interrupt, Form::imm8};
    case 0xe4:
    case 0xe5: return Pattern{in, Form::port_imm8, port_size_of(opcode)};
    case 0xe6:
    case 0xe7: return Pattern{out, Form::port_imm8, port_size_of(opcode)};
    case 0xec:
    case 0xed: return Pattern{in, Form::port_dx, port_size_of(opcode)};
    case 0xee:
    case 0xef: return Pattern{out, Form::port_dx, port_size_of(opcode)};
    case 0xf4: return Pattern{hlt};
    case 0xf6:
    case 0xf7: return Pattern{{}, Form::rm, size_of(opcode), Group::unary};
    case 0xfa: return Pattern{cli};
    case 0xfb: return Pattern{sti};
    case 0xfe:
    case 0xff: return Pattern{{}, Form::rm, size_of(opcode), Group::count};
    default: return std::nullopt;
    }
}

std::optional<Pattern> two_byte_pattern(std::uint8_t opcode) {
    using enum Operation;
    switch (opcode) {
    case 0x01: return Pattern{{}, Form::bare, Size::natural, Group::system};
    case 0x06: return Pattern{clts};
    case 0x09: return Pattern{wbinvd}; // and, with F3, WBNOINVD
    case 0x20: return Pattern{read_control, Form::special, Size::quad};
    case 0x21: return Pattern{read_debug, Form::special, Size::quad};
    case 0x22: return Pattern{write_control, Form::special, Size::quad};
    case 0x23: return Pattern{write_debug, Form::special, Size::quad};
    case 0x30: return Pattern{wrmsr};
    case 0x31: return Pattern{rdtsc};
    case 0x32: return Pattern{rdmsr};
    case 0xa2: return Pattern{cpuid};
    case 0xab: return Pattern{bts, Form::rm_reg};
    case 0xb0:
    case 0xb1: return Pattern{cmpxchg, Form::rm_reg, size_of(opcode)};
    case 0xb3: return Pattern{btr, Form::rm_reg};
    case 0xba: return Pattern{{}, Form::rm_imm8, Size::natural, Group::bits};
    case 0xbb: return Pattern{btc, Form::rm_reg};
    case 0xc0:
    case 0xc1: return Pattern{xadd, Form::rm_reg, size_of(opcode)};
    case 0xc3: return Pattern{mov, Form::rm_reg}; // MOVNTI
    case 0xc7: return Pattern{{}, Form::rm, Size::quad, Group::exchange8};
    default: return std::nullopt;
    }
}

std::optional<Operation> member(Group group, std::uint8_t modrm) {
    using enum Operation;
    unsigned const reg = modrm >> 3 & 7;
    switch (group) {
    case Group::arithmetic:
        if (reg != 7) // CMP
            return static_cast<Operation>(reg);
        break;
    case Group::unary:
        if (reg == 2 || reg == 3)
            return reg == 2 ? bit_not : neg;
        break;
    case Group::count:
        if (reg <= 1)
            return reg == 0 ? inc : dec;
        break;
    case Group::move:
        if (reg == 0)
            return mov;
        break;
    case Group::bits:
        if (reg >= 5)
            return reg == 5 ? bts : reg == 6 ? btr : btc;
        break;
    case Group::exchange8:
        if (reg == 1)
            return cmpxchg8b;
        break;
    case Group::system:
        if (modrm == 0xd1)
            return xsetbv;
        if (modrm == 0xf9)
            return rdtscp;
        break;
    case Group::none: break;
    }
    return std::nullopt;
}

} // namespace emulate
