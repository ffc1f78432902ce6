/// The emulation of stores against the CPU itself: random instructions with random operands are carried out both by
/// StoreOperation and by the processor that runs this test, and must agree on the entry, every register and every
/// defined flag.
#include "emulate/store.hpp"

#include <algorithm>
#include <array>
#include <iomanip>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "emulate/rflags.hpp"
#include "unit/emulate/code.hpp"
#include "unit/emulate/native.hpp"

namespace emulate {
namespace {

using test::Code;

/// How one instruction is made: its opcode bytes, and what it takes.
struct Recipe {
    char const* name;
    std::vector<unsigned> opcode;
    bool byte_wide = false;
    int extension = -1; ///< ModRM.reg, if it is part of the opcode; otherwise it is a register
    enum class Immediate { none, byte, natural } immediate = Immediate::none;
    bool lockable = true;
    bool bit_string = false;           ///< the register is a bit offset
    bool quad_only = false;            ///< always eight bytes (cmpxchg8b)
    bool no_word = false;              ///< no 16-bit form
    std::uint64_t undefined_flags = 0; ///< by the manual
};

using Immediate = Recipe::Immediate;

std::vector<Recipe> recipes() {
    std::vector<Recipe> made;
    struct {
        char const* name;
        unsigned number;
        std::uint64_t undefined;
    } const arithmetic[] = {{"add", 0, 0},       {"or", 1, kAdjust}, {"adc", 2, 0},      {"sbb", 3, 0},
                            {"and", 4, kAdjust}, {"sub", 5, 0},      {"xor", 6, kAdjust}};
    for (auto const& one : arithmetic) {
        int const extension = static_cast<int>(one.number);
        made.push_back(
            {.name = one.name, .opcode = {one.number * 8}, .byte_wide = true, .undefined_flags = one.undefined});
        made.push_back({.name = one.name, .opcode = {one.number * 8 + 1}, .undefined_flags = one.undefined});
        made.push_back({.name = one.name,
                        .opcode = {0x80},
                        .byte_wide = true,
                        .extension = extension,
                        .immediate = Immediate::byte,
                        .undefined_flags = one.undefined});
        made.push_back({.name = one.name,
                        .opcode = {0x81},
                        .extension = extension,
                        .immediate = Immediate::natural,
                        .undefined_flags = one.undefined});
        made.push_back({.name = one.name,
                        .opcode = {0x83},
                        .extension = extension,
                        .immediate = Immediate::byte,
                        .undefined_flags = one.undefined});
    }
    struct {
        char const* name;
        unsigned opcode;
        int extension;
    } const unary[] = {{"not", 0xf6, 2}, {"neg", 0xf6, 3}, {"inc", 0xfe, 0}, {"dec", 0xfe, 1}};
    for (auto const& one : unary) {
        made.push_back({.name = one.name, .opcode = {one.opcode}, .byte_wide = true, .extension = one.extension});
        made.push_back({.name = one.name, .opcode = {one.opcode + 1}, .extension = one.extension});
    }
    constexpr std::uint64_t kAllButCarryAndZero = kStatusFlags & ~(kCarry | kZero);
    struct {
        char const* name;
        unsigned opcode;
        int extension;
    } const bits[] = {{"bts", 0xab, 5}, {"btr", 0xb3, 6}, {"btc", 0xbb, 7}};
    for (auto const& one : bits) {
        made.push_back({.name = one.name,
                        .opcode = {0x0f, one.opcode},
                        .bit_string = true,
                        .undefined_flags = kAllButCarryAndZero});
        made.push_back({.name = one.name,
                        .opcode = {0x0f, 0xba},
                        .extension = one.extension,
                        .immediate = Immediate::byte,
                        .undefined_flags = kAllButCarryAndZero});
    }
    for (unsigned const wide : {0U, 1U}) {
        bool const byte_wide = wide == 0;
        made.push_back({.name = "xchg", .opcode = {0x86 + wide}, .byte_wide = byte_wide});
        made.push_back({.name = "cmpxchg", .opcode = {0x0f, 0xb0 + wide}, .byte_wide = byte_wide});
        made.push_back({.name = "xadd", .opcode = {0x0f, 0xc0 + wide}, .byte_wide = byte_wide});
        made.push_back({.name = "mov", .opcode = {0x88 + wide}, .byte_wide = byte_wide, .lockable = false});
        made.push_back({.name = "mov",
                        .opcode = {0xc6 + wide},
                        .byte_wide = byte_wide,
                        .extension = 0,
                        .immediate = wide == 0 ? Immediate::byte : Immediate::natural,
                        .lockable = false});
    }
    made.push_back({.name = "movnti", .opcode = {0x0f, 0xc3}, .lockable = false, .no_word = true});
    made.push_back({.name = "cmpxchg8b", .opcode = {0x0f, 0xc7}, .extension = 1, .quad_only = true});
    return made;
}

/// One instruction with all it needs to run.
struct Trial {
    Code bytes;
    arch::Registers registers{};
    std::uint64_t entry = 0;
};

class Maker {
  public:
    Maker(std::uint32_t seed, test::Native const& native) : random_{seed}, native_{native} {}

    Trial make(Recipe const& recipe) {
        unsigned const bytes = choose_size(recipe);
        Trial trial;
        for (unsigned number = 0; number < 16; ++number)
            full_register(trial.registers, number) = value();
        trial.registers.rflags = 0x202 | (value() & kStatusFlags);
        trial.entry = value();
        std::uint64_t const target = native_.entry_address() + below(8 / bytes) * bytes;

        // prefixes
        Code code;
        auto const put = [&](unsigned byte) { code.push_back(static_cast<std::byte>(byte)); };
        bool const narrow_address = below(8) == 0;
        switch (below(4)) {
        case 0:
            if (recipe.lockable)
                put(0xf0);
            break;
        case 1: put(0x3e); break; // what Linux puts in LOCK's place
        default: break;
        }
        if (narrow_address)
            put(0x67);
        if (bytes == 2)
            put(0x66);

        // registers: the source, and a base and an index that are none of those whose values are fixed
        unsigned const reg = recipe.extension >= 0 ? static_cast<unsigned>(recipe.extension) : below(16);
        bool const reg_is_operand = recipe.extension < 0;
        unsigned base = below(16);
        unsigned index = below(16);
        while (index == 4 || index == base)
            index = below(16);
        unsigned rex = bytes == 8 && !recipe.quad_only ? 8 : 0;
        if (reg_is_operand && reg >= 8)
            rex |= 4;

        // ModRM, SIB, displacement; then the base is set so that the address comes out right
        unsigned const form = below(5);
        unsigned const reg_bits = (reg & 7) << 3;
        Code tail;
        auto const put_tail = [&](std::uint64_t number, unsigned count) {
            for (unsigned i = 0; i < count; ++i)
                tail.push_back(static_cast<std::byte>(number >> (8 * i)));
        };
        auto const displacement = [&](unsigned count) { return sign_extend(truncate(value(), count), count); };
        std::uint64_t const beyond = recipe.bit_string ? 0 : 0; // added to the base below, once the offset is known
        std::uint64_t offset = beyond;
        bool rip_relative = false;
        bool has_base = true;
        switch (form) {
        case 0: { // [base + disp8] or, through a SIB byte, the bases that need one
            offset = displacement(1);
            if ((base & 7) == 4) {
                put_tail(0x40 | reg_bits | 4, 1);
                put_tail(0x24, 1);
            } else {
                put_tail(0x40 | reg_bits | (base & 7), 1);
            }
            put_tail(offset, 1);
            break;
        }
        case 1: // [base + disp32]
            offset = displacement(4);
            if ((base & 7) == 4) {
                put_tail(0x80 | reg_bits | 4, 1);
                put_tail(0x24, 1);
            } else {
                put_tail(0x80 | reg_bits | (base & 7), 1);
            }
            put_tail(offset, 4);
            break;
        case 2: { // [base + index * scale + disp32]
            unsigned const scale = below(4);
            offset = displacement(4);
            put_tail(0x80 | reg_bits | 4, 1);
            put_tail(scale << 6 | (index & 7) << 3 | (base & 7), 1);
            put_tail(offset, 4);
            if (index >= 8)
                rex |= 2;
            index_scale_ = scale;
            break;
        }
        case 3: // [rip + disp32]
            rip_relative = true;
            has_base = false;
            put_tail(reg_bits | 5, 1);
            break;
        default: // [disp32]
            has_base = false;
            put_tail(reg_bits | 4, 1);
            put_tail(0x25, 1);
            break;
        }
        if (has_base && base >= 8)
            rex |= 1;
        bool const has_index = form == 2;

        // A register that is both a bit offset or value and the base cannot have both values: make it the base only.
        // A bit offset moves the operand: the base takes it back.
        if (recipe.bit_string && reg == base && has_base)
            return make(recipe);
        if (recipe.bit_string && !has_base)
            full_register(trial.registers, reg) = below(8 * bytes);
        std::uint64_t shifted = 0;
        if (recipe.bit_string) {
            std::uint64_t const bit =
                sign_extend(read_gpr(trial.registers, {static_cast<std::uint8_t>(reg)}, bytes), bytes);
            unsigned const log = bytes == 8 ? 6 : bytes == 4 ? 5 : 4;
            shifted = static_cast<std::uint64_t>(static_cast<std::int64_t>(bit) >> log) * bytes;
        }
        if (has_base) {
            std::uint64_t indexed = 0;
            if (has_index)
                indexed = full_register(trial.registers, index) << index_scale_;
            std::uint64_t base_value = target - offset - indexed - shifted;
            if (narrow_address) // the upper half must not matter
                base_value = truncate(base_value, 4) | (value() << 32);
            full_register(trial.registers, base) = base_value;
        }
        // cmpxchg finds what it expects every other time
        if (below(2) == 0 && !(has_base && base == kRax) && !(has_index && index == kRax)) {
            unsigned const shift = 8 * static_cast<unsigned>(target & 7);
            if (!(recipe.bit_string && reg == kRax))
                trial.registers.rax =
                    (trial.registers.rax & ~truncate(~0ULL, bytes)) | truncate(trial.entry >> shift, bytes);
            if (recipe.quad_only && !(has_base && base == kRdx) && !(has_index && index == kRdx)) {
                trial.registers.rax = truncate(trial.entry, 4);
                trial.registers.rdx = trial.entry >> 32;
            }
        }

        if (rex != 0 || below(4) == 0)
            put(0x40 | rex);
        for (unsigned const byte : recipe.opcode)
            put(byte);
        unsigned const immediate_bytes = recipe.immediate == Immediate::none   ? 0
                                         : recipe.immediate == Immediate::byte ? 1
                                                                               : std::min(bytes, 4U);
        std::size_t const length = code.size() + tail.size() + (has_base ? 0 : 4) + immediate_bytes;
        if (rip_relative)
            put_tail(target - (native_.instruction_address() + length), 4);
        else if (!has_base)
            put_tail(target, 4);
        put_tail(value(), immediate_bytes);
        code.insert(code.end(), tail.begin(), tail.end());
        trial.bytes = code;
        trial.registers.rip = native_.instruction_address();
        return trial;
    }

    unsigned below(unsigned count) { return static_cast<unsigned>(random_() % count); }

    /// Numbers with many carries and boundaries among them.
    std::uint64_t value() {
        std::uint64_t const any = std::uint64_t{random_()} << 32 | random_();
        switch (below(6)) {
        case 0: return 0;
        case 1: return ~std::uint64_t{0};
        case 2: return std::uint64_t{1} << below(64);
        case 3: return (std::uint64_t{1} << below(64)) - 1;
        default: return any;
        }
    }

  private:
    unsigned choose_size(Recipe const& recipe) {
        if (recipe.byte_wide)
            return 1;
        if (recipe.quad_only)
            return 8;
        constexpr std::array<unsigned, 3> kSizes = {8, 4, 2};
        return kSizes[below(recipe.no_word ? 2 : 3)];
    }

    std::mt19937 random_;
    test::Native const& native_;
    unsigned index_scale_ = 0;
};

std::string describe(Recipe const& recipe, Trial const& trial) {
    std::ostringstream text;
    text << recipe.name << std::hex << std::setfill('0');
    for (std::byte const byte : trial.bytes)
        text << ' ' << std::setw(2) << std::to_integer<unsigned>(byte);
    text << " entry " << trial.entry << " flags " << trial.registers.rflags;
    return text.str();
}

void compare(Recipe const& recipe, Trial const& trial, test::Native& native) {
    SCOPED_TRACE(describe(recipe, trial));
    base::Vaddr const fault{native.entry_address()};
    auto const store = decode_store(trial.bytes, CodeMode::bits64, trial.registers, {}, fault);
    ASSERT_TRUE(store.ok()) << static_cast<int>(store.error());
    auto const emulated = store.value().apply(trial.entry, trial.registers);

    arch::Registers registers = trial.registers;
    std::uint64_t entry = trial.entry;
    native.run(trial.bytes, registers, entry);

    ASSERT_EQ(emulated.entry, entry);
    ASSERT_EQ(emulated.registers.rip, trial.registers.rip + trial.bytes.size());
    for (unsigned number = 0; number < 16; ++number)
        ASSERT_EQ(full_register(emulated.registers, number), full_register(registers, number)) << "register " << number;
    std::uint64_t const compared = (kStatusFlags | kDirection) & ~recipe.undefined_flags;
    ASSERT_EQ(emulated.registers.rflags & compared, registers.rflags & compared);
}

TEST(StoreNative, AgreesWithTheProcessor) {
    test::Native native;
    Maker maker{1, native};
    for (Recipe const& recipe : recipes()) {
        for (unsigned i = 0; i < 2000; ++i) {
            compare(recipe, maker.make(recipe), native);
            if (HasFatalFailure())
                return;
        }
    }
}

TEST(StoreNative, AgreesOnStringsBothWays) {
    test::Native native;
    Maker maker{2, native};
    struct {
        Code bytes;
        unsigned size;
    } const strings[] = {{test::code({0xaa}), 1},
                         {test::code({0x66, 0xab}), 2},
                         {test::code({0xab}), 4},
                         {test::code({0x48, 0xab}), 8},
                         {test::code({0xf3, 0x48, 0xab}), 8}};
    for (auto const& string : strings) {
        for (unsigned i = 0; i < 200; ++i) {
            Trial trial;
            trial.bytes = string.bytes;
            for (unsigned number = 0; number < 16; ++number)
                full_register(trial.registers, number) = maker.value();
            trial.registers.rdi = native.entry_address() + maker.below(8 / string.size) * string.size;
            trial.registers.rcx = 1; // a repeated one ends after one element
            trial.registers.rflags = 0x202 | (maker.below(2) == 0 ? kDirection : 0);
            trial.registers.rip = native.instruction_address();
            trial.entry = maker.value();
            compare({.name = "stos", .opcode = {}}, trial, native);
            if (HasFatalFailure())
                return;
        }
    }
}

TEST(StoreNative, AgreesOnAbsoluteAddresses) {
    test::Native native;
    Maker maker{3, native};
    for (unsigned const opcode : {0xa2U, 0xa3U}) { // movabs %al/%rax,address
        Trial trial;
        trial.bytes = opcode == 0xa2 ? test::code({0xa2}) : test::code({0x48, 0xa3});
        for (unsigned i = 0; i < 8; ++i)
            trial.bytes.push_back(static_cast<std::byte>(native.entry_address() >> (8 * i)));
        trial.registers.rax = maker.value();
        trial.registers.rflags = 0x202;
        trial.registers.rip = native.instruction_address();
        trial.entry = maker.value();
        compare({.name = "movabs", .opcode = {}}, trial, native);
    }
}

} // namespace
} // namespace emulate
