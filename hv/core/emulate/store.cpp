#include "emulate/store.hpp"

#include "base/assert.hpp"
#include "emulate/alu.hpp"
#include "emulate/rflags.hpp"

namespace emulate {
namespace {

constexpr bool is_store(Operation operation) { return operation <= Operation::stos; }

constexpr std::uint64_t pair(std::uint64_t high, std::uint64_t low) { return high << 32 | (low & 0xffff'ffff); }

/// One instruction at work on one operand in memory.
class Store {
  public:
    Store(Instruction const& instruction, arch::Registers& registers)
        : instruction_{instruction}, registers_{registers} {}

    /// What the operand holds afterwards; registers and flags change on the way.
    std::uint64_t operator()(std::uint64_t operand) {
        switch (instruction_.operation) {
            using enum Operation;
        case mov: return source();
        case stos: return read_gpr(registers_, Gpr{kRax}, bytes());
        case xchg: return exchange(operand, source());
        case xadd: {
            std::uint64_t const sum = settle(compute(add, operand, source(), bytes(), registers_.rflags));
            return exchange(operand, sum);
        }
        case cmpxchg: return compare_exchange(operand);
        case cmpxchg8b: return compare_exchange_pair(operand);
        case bts:
        case btr:
        case btc: return settle(change_bit(instruction_.operation, operand, bit(), registers_.rflags));
        default: return settle(compute(instruction_.operation, operand, source(), bytes(), registers_.rflags));
        }
    }

  private:
    [[nodiscard]] unsigned bytes() const { return instruction_.operand_bytes; }

    [[nodiscard]] std::uint64_t source() const {
        switch (instruction_.source) {
        case Source::none: break;
        case Source::reg: return read_gpr(registers_, instruction_.reg, bytes());
        case Source::immediate: return truncate(instruction_.immediate, bytes());
        }
        return 0;
    }

    /// Bit offsets beyond the operand have become part of its address.
    [[nodiscard]] unsigned bit() const { return static_cast<unsigned>(source() & (8 * bytes() - 1)); }

    std::uint64_t settle(AluResult const& result) {
        registers_.rflags = result.rflags;
        return result.value;
    }

    std::uint64_t exchange(std::uint64_t operand, std::uint64_t replacement) {
        write_gpr(registers_, instruction_.reg, bytes(), operand);
        return replacement;
    }

    std::uint64_t compare_exchange(std::uint64_t operand) {
        std::uint64_t const expected = read_gpr(registers_, Gpr{kRax}, bytes());
        settle(compute(Operation::sub, expected, operand, bytes(), registers_.rflags));
        if (expected == operand)
            return source();
        write_gpr(registers_, Gpr{kRax}, bytes(), operand);
        return operand;
    }

    std::uint64_t compare_exchange_pair(std::uint64_t operand) {
        if (pair(registers_.rdx, registers_.rax) == operand) {
            registers_.rflags |= kZero;
            return pair(registers_.rcx, registers_.rbx);
        }
        registers_.rflags &= ~kZero;
        registers_.rax = operand & 0xffff'ffff;
        registers_.rdx = operand >> 32;
        return operand;
    }

    Instruction const& instruction_;
    arch::Registers& registers_;
};

/// After one element of STOS. True if the instruction is over; a repeated one faults again for the next element.
bool advance_string(Instruction const& instruction, arch::Registers& registers) {
    std::uint64_t const bytes = instruction.operand_bytes;
    std::uint64_t const step = (registers.rflags & kDirection) != 0 ? -bytes : bytes;
    Gpr const rdi{kRdi};
    Gpr const rcx{kRcx};
    unsigned const width = instruction.address_bytes;
    write_gpr(registers, rdi, width, read_gpr(registers, rdi, width) + step);
    if (!instruction.repeat)
        return true;
    write_gpr(registers, rcx, width, read_gpr(registers, rcx, width) - 1);
    return read_gpr(registers, rcx, width) == 0;
}

} // namespace

StoreOperation::Effect StoreOperation::apply(std::uint64_t old, arch::Registers& registers) const {
    ASSERT(address_.raw() % size() == 0);
    unsigned const shift = static_cast<unsigned>(8 * (address_.raw() & 7));
    std::uint64_t const mask = truncate(~std::uint64_t{0}, size()) << shift;

    std::uint64_t const operand = Store{instruction_, registers}((old & mask) >> shift);
    bool const over = instruction_.operation != Operation::stos || advance_string(instruction_, registers);
    unsigned const length = over ? instruction_.length : 0;
    return {.entry = (old & ~mask) | (operand << shift), .single_step = retire(registers, length)};
}

base::Result<StoreOperation, StoreRefusal> decode_store(base::Bytes code, CodeMode mode,
                                                        arch::Registers const& registers, SegmentBases (*bases)(),
                                                        base::Vaddr fault) {
    auto const decoded = decode(code, mode);
    if (!decoded)
        return base::Err{StoreRefusal::not_decodable};
    Instruction const& instruction = decoded.value();
    if (!is_store(instruction.operation) || !instruction.has_memory)
        return base::Err{StoreRefusal::not_a_store};

    bool const no_element_left = instruction.repeat && read_gpr(registers, Gpr{kRcx}, instruction.address_bytes) == 0;
    auto const segments = instruction.memory.segment == SegmentOverride::none ? SegmentBases{} : bases();
    StoreOperation const store{instruction, effective_address(instruction, registers, segments)};
    bool const elsewhere = store.entry().raw() != (fault.raw() & ~std::uint64_t{7});
    bool const misaligned = store.address().raw() % store.size() != 0;
    if (no_element_left || elsewhere || misaligned)
        return base::Err{StoreRefusal::misplaced};
    return store;
}

} // namespace emulate
