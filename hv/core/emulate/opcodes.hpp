/// The opcode map, as far as Tern needs it: which operation an opcode is, and where its operands are.
#pragma once

#include <cstdint>
#include <optional>

#include "emulate/decode.hpp"

namespace emulate {

/// Where an instruction's operands are.
enum class Form : std::uint8_t {
    bare,      ///< none, or implied
    rm_reg,    ///< ModRM operand, register
    rm,        ///< ModRM operand alone
    rm_imm8,   ///< ModRM operand, sign-extended byte
    rm_imm,    ///< ModRM operand, immediate of the operand's size, at most four bytes
    absolute,  ///< RAX to an address in the instruction
    string,    ///< memory at RDI or RSI
    port_imm8, ///< port in the instruction, RAX
    port_dx,   ///< port in DX, RAX
    special,   ///< general register, and a control or debug register
    imm8,
};

/// How wide the operand is.
enum class Size : std::uint8_t {
    byte,
    natural, ///< 4; 2 with 66, 8 with REX.W
    no_quad, ///< 4; 2 with 66
    quad,
};

/// Opcodes that need ModRM to say which operation they are.
enum class Group : std::uint8_t { none, arithmetic, unary, count, move, bits, exchange8, system };

struct Pattern {
    Operation operation{};
    Form form = Form::bare;
    Size size = Size::natural;
    Group group = Group::none;
};

[[nodiscard]] std::optional<Pattern> one_byte_pattern(std::uint8_t opcode);
/// After 0F.
[[nodiscard]] std::optional<Pattern> two_byte_pattern(std::uint8_t opcode);
/// The member of @p group that @p modrm selects.
[[nodiscard]] std::optional<Operation> member(Group group, std::uint8_t modrm);

constexpr bool has_modrm(Form form) {
    return form == Form::rm_reg || form == Form::rm || form == Form::rm_imm8 || form == Form::rm_imm;
}

} // namespace emulate
