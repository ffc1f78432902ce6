#include "emulate/decode.hpp"

#include <bit>

#include "emulate/rflags.hpp"

namespace emulate {
namespace {

std::uint64_t register_or_zero(arch::Registers const& registers, std::uint8_t number) {
    return number == kNoRegister ? 0 : full_register(registers, number);
}

bool changes_a_bit(Operation operation) {
    return operation == Operation::bts || operation == Operation::btr || operation == Operation::btc;
}

/// A bit offset in a register is signed and reaches beyond the operand: how far, in bytes (SDM vol. 2, BTS).
std::uint64_t bit_string_displacement(Instruction const& instruction, arch::Registers const& registers) {
    unsigned const bytes = instruction.operand_bytes;
    auto const offset = static_cast<std::int64_t>(sign_extend(read_gpr(registers, instruction.reg, bytes), bytes));
    std::int64_t const operand = offset >> std::countr_zero(8 * bytes); // rounds down, also below zero
    return static_cast<std::uint64_t>(operand) * bytes;
}

} // namespace

base::Vaddr effective_address(Instruction const& instruction, arch::Registers const& registers,
                              SegmentBases const& bases) {
    MemoryOperand const& memory = instruction.memory;
    std::uint64_t offset = memory.displacement;
    if (memory.rip_relative)
        offset += registers.rip + instruction.length;
    offset += register_or_zero(registers, memory.base);
    offset += register_or_zero(registers, memory.index) << memory.scale;
    if (changes_a_bit(instruction.operation) && instruction.source == Source::reg)
        offset += bit_string_displacement(instruction, registers);
    offset = truncate(offset, instruction.address_bytes);

    switch (memory.segment) {
    case SegmentOverride::none: return base::Vaddr{offset};
    case SegmentOverride::fs: return base::Vaddr{bases.fs + offset};
    case SegmentOverride::gs: return base::Vaddr{bases.gs + offset};
    }
    return base::Vaddr{offset};
}

bool retire(arch::Registers& registers, unsigned length) {
    registers.rip += length;
    registers.rflags &= ~kResume;
    return (registers.rflags & kTrap) != 0;
}

} // namespace emulate
