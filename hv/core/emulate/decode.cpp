#include "emulate/decode.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "opcodes.hpp"

namespace emulate {
namespace {

template <typename T> using Decoded = base::Result<T, DecodeFailure>;
using Refused = base::Err<DecodeFailure>;

constexpr Refused kUnknown{DecodeFailure::unknown};

/// The bytes of one instruction, taken from the front.
class Reader {
  public:
    explicit Reader(base::Bytes code) : code_{code.first(std::min(code.size(), kLongestInstruction))} {}

    [[nodiscard]] std::uint8_t length() const { return static_cast<std::uint8_t>(next_); }

    Decoded<std::uint8_t> byte() {
        if (next_ == code_.size())
            return base::Err{next_ == kLongestInstruction ? DecodeFailure::too_long : DecodeFailure::truncated};
        return std::to_integer<std::uint8_t>(code_[next_++]);
    }
    void put_back() { --next_; }

    /// A little-endian number of @p bytes bytes.
    Decoded<std::uint64_t> number(unsigned bytes) {
        std::uint64_t value = 0;
        for (unsigned i = 0; i < bytes; ++i)
            value |= std::uint64_t{TRY(byte())} << (8 * i);
        return value;
    }
    Decoded<std::uint64_t> signed_number(unsigned bytes) { return sign_extend(TRY(number(bytes)), bytes); }

  private:
    base::Bytes code_;
    std::size_t next_ = 0;
};

struct Prefixes {
    bool lock = false;
    bool repeat = false;       // F3 or F2
    bool operand_size = false; // 66
    bool address_size = false; // 67
    SegmentOverride segment = SegmentOverride::none;
    std::uint8_t rex = 0;

    [[nodiscard]] bool rex_w() const { return (rex & 8) != 0; }
    [[nodiscard]] std::uint8_t rex_r() const { return (rex & 4) != 0 ? 8 : 0; }
    [[nodiscard]] std::uint8_t rex_x() const { return (rex & 2) != 0 ? 8 : 0; }
    [[nodiscard]] std::uint8_t rex_b() const { return (rex & 1) != 0 ? 8 : 0; }
};

/// Reads all prefixes and leaves the reader at the opcode. A REX prefix counts only right before it. CS, DS, ES and SS
/// overrides mean nothing in 64-bit code: Linux turns LOCK into DS where it runs on one CPU (docs/abi.md §2.3).
Decoded<Prefixes> read_prefixes(Reader& reader, CodeMode mode) {
    Prefixes prefixes;
    for (;;) {
        std::uint8_t const byte = TRY(reader.byte());
        if (mode == CodeMode::bits64 && (byte & 0xf0) == 0x40) {
            prefixes.rex = byte;
            continue;
        }
        switch (byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e: break;
        case 0x64: prefixes.segment = SegmentOverride::fs; break;
        case 0x65: prefixes.segment = SegmentOverride::gs; break;
        case 0x66: prefixes.operand_size = true; break;
        case 0x67: prefixes.address_size = true; break;
        case 0xf0: prefixes.lock = true; break;
        case 0xf2:
        case 0xf3: prefixes.repeat = true; break;
        default: reader.put_back(); return prefixes;
        }
        prefixes.rex = 0;
    }
}

constexpr unsigned operand_bytes(Size size, Prefixes const& prefixes) {
    switch (size) {
    case Size::byte: return 1;
    case Size::quad: return 8;
    case Size::natural:
        if (prefixes.rex_w())
            return 8;
        [[fallthrough]];
    case Size::no_quad: break;
    }
    return prefixes.operand_size ? 2 : 4;
}

/// Register @p number of an operand of @p bytes bytes: without a REX prefix, bytes 4..7 are AH, CH, DH and BH.
constexpr Gpr operand_register(std::uint8_t number, unsigned bytes, Prefixes const& prefixes) {
    bool const high = bytes == 1 && prefixes.rex == 0 && number >= 4;
    return {static_cast<std::uint8_t>(high ? number - 4 : number), high};
}

/// What follows ModRM for a memory operand: SIB and displacement (SDM vol. 2 §2.1.5, §2.2.1.6).
Decoded<MemoryOperand> read_memory(Reader& reader, Prefixes const& prefixes, std::uint8_t modrm) {
    unsigned const mod = modrm >> 6;
    std::uint8_t const rm = modrm & 7;
    MemoryOperand memory;
    memory.segment = prefixes.segment;
    memory.base = rm | prefixes.rex_b();
    unsigned displacement_bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;

    if (rm == 4) {
        std::uint8_t const sib = TRY(reader.byte());
        std::uint8_t const index = static_cast<std::uint8_t>(sib >> 3 & 7) | prefixes.rex_x();
        memory.base = (sib & 7) | prefixes.rex_b();
        memory.index = index == 4 ? kNoRegister : index;
        memory.scale = sib >> 6;
        if (mod == 0 && (sib & 7) == 5) {
            memory.base = kNoRegister;
            displacement_bytes = 4;
        }
    } else if (mod == 0 && rm == 5) {
        memory.base = kNoRegister;
        memory.rip_relative = true;
        displacement_bytes = 4;
    }
    if (displacement_bytes != 0)
        memory.displacement = TRY(reader.signed_number(displacement_bytes));
    return memory;
}

/// ModRM and all that follows it but an immediate.
base::Result<void, DecodeFailure> read_modrm(Reader& reader, Prefixes const& prefixes, Instruction& into) {
    std::uint8_t const modrm = TRY(reader.byte());
    std::uint8_t const reg = (modrm >> 3 & 7) | prefixes.rex_r();
    into.reg = operand_register(reg, into.operand_bytes, prefixes);
    into.has_memory = modrm >> 6 != 3;
    if (into.has_memory)
        into.memory = TRY(read_memory(reader, prefixes, modrm));
    else
        into.direct = operand_register((modrm & 7) | prefixes.rex_b(), into.operand_bytes, prefixes);
    return {};
}

/// The operands of @p form, into @p into, whose operation and sizes are known.
base::Result<void, DecodeFailure> read_operands(Reader& reader, Prefixes const& prefixes, Form form,
                                                Instruction& into) {
    if (has_modrm(form))
        TRY(read_modrm(reader, prefixes, into));
    switch (form) {
    case Form::bare:
    case Form::rm: break;
    case Form::rm_reg:
    case Form::port_dx: into.source = Source::reg; break;
    case Form::rm_imm8:
        into.source = Source::immediate;
        into.immediate = TRY(reader.signed_number(1));
        break;
    case Form::rm_imm:
        into.source = Source::immediate;
        into.immediate = TRY(reader.signed_number(std::min<unsigned>(into.operand_bytes, 4)));
        break;
    case Form::absolute:
        into.source = Source::reg;
        into.has_memory = true;
        into.memory.displacement = TRY(reader.number(into.address_bytes));
        break;
    case Form::string:
        into.source = Source::reg;
        into.repeat = prefixes.repeat;
        into.has_memory = true;
        into.memory.base = into.operation == Operation::outs ? kRsi : kRdi;
        if (into.operation != Operation::outs) // ES:RDI cannot be overridden
            into.memory.segment = SegmentOverride::none;
        break;
    case Form::port_imm8:
    case Form::imm8:
        into.source = Source::immediate;
        into.immediate = TRY(reader.number(1));
        break;
    case Form::special: {
        std::uint8_t const modrm = TRY(reader.byte()); // always names registers, whatever its mod says
        into.reg = Gpr{static_cast<std::uint8_t>((modrm >> 3 & 7) | prefixes.rex_r())};
        into.direct = Gpr{static_cast<std::uint8_t>((modrm & 7) | prefixes.rex_b())};
        break;
    }
    }
    return {};
}

/// LOCK may stand before what reads, modifies and writes memory; anywhere else it is #UD.
constexpr bool lockable(Instruction const& instruction) {
    return instruction.has_memory && instruction.operation <= Operation::cmpxchg8b;
}

/// What user space may execute in compatibility mode and need the hypervisor for.
constexpr bool known_in_32_bits(Instruction const& instruction) {
    switch (instruction.operation) {
        using enum Operation;
    case in:
    case out:
    case cli:
    case sti:
    case cpuid:
    case software_interrupt: return true;
    default: return false;
    }
}

/// The invalid opcode, the mark "xen" and CPUID: asks for the hypervisor's CPUID instead of the CPU's.
constexpr std::array<std::uint8_t, 7> kForcedCpuid = {0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2};

bool begins_like_forced_cpuid(base::Bytes code) {
    std::size_t const shared = std::min(code.size(), kForcedCpuid.size());
    for (std::size_t i = 0; i < shared; ++i)
        if (std::to_integer<std::uint8_t>(code[i]) != kForcedCpuid[i])
            return false;
    return shared >= 2;
}

Decoded<Instruction> decode_forced_cpuid(base::Bytes code) {
    if (code.size() < kForcedCpuid.size())
        return base::Err{DecodeFailure::truncated};
    Instruction instruction;
    instruction.operation = Operation::forced_cpuid;
    instruction.length = kForcedCpuid.size();
    return instruction;
}

} // namespace

Decoded<Instruction> decode(base::Bytes code, CodeMode mode) {
    if (mode == CodeMode::other)
        return kUnknown;
    if (begins_like_forced_cpuid(code))
        return decode_forced_cpuid(code);

    Reader reader{code};
    Prefixes const prefixes = TRY(read_prefixes(reader, mode));
    std::uint8_t opcode = TRY(reader.byte());
    bool const two_bytes = opcode == 0x0f;
    if (two_bytes)
        opcode = TRY(reader.byte());
    std::optional<Pattern> const pattern = two_bytes ? two_byte_pattern(opcode) : one_byte_pattern(opcode);
    if (!pattern)
        return kUnknown;

    Instruction instruction;
    instruction.operation = pattern->operation;
    instruction.operand_bytes = static_cast<std::uint8_t>(operand_bytes(pattern->size, prefixes));
    instruction.address_bytes = mode == CodeMode::bits32 || prefixes.address_size ? 4 : 8;
    instruction.lock = prefixes.lock;
    instruction.memory.segment = prefixes.segment;
    if (pattern->group != Group::none) {
        std::optional<Operation> const selected = member(pattern->group, TRY(reader.byte()));
        if (!selected)
            return kUnknown;
        instruction.operation = *selected;
        if (has_modrm(pattern->form))
            reader.put_back();
    }
    // In 32-bit code only forms without ModRM are known: its addressing differs, and is not decoded.
    if (mode == CodeMode::bits32 && !known_in_32_bits(instruction))
        return kUnknown;
    TRY(read_operands(reader, prefixes, pattern->form, instruction));
    instruction.length = reader.length();

    if (instruction.lock && !lockable(instruction))
        return kUnknown;
    bool const movnti = two_bytes && opcode == 0xc3;
    bool const no_prefix_allowed = movnti || instruction.operation == Operation::xsetbv;
    if (no_prefix_allowed && (prefixes.operand_size || prefixes.repeat))
        return kUnknown;
    if (movnti && !instruction.has_memory)
        return kUnknown;
    bool const sixteen_bytes = instruction.operation == Operation::cmpxchg8b && prefixes.rex_w();
    if (sixteen_bytes)
        return kUnknown;
    return instruction;
}

} // namespace emulate
