/// Random store instructions, each with registers that make it hit a given entry: what native.hpp and StoreOperation
/// are compared on.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <vector>

#include "emulate/rflags.hpp"
#include "unit/emulate/code.hpp"

namespace test {

/// How one instruction is made: its opcode bytes, and what it takes.
struct Recipe {
    enum class Immediate { none, byte, natural };
    enum class Width { byte, natural, no_word, quad };

    char const* name = "";
    std::vector<unsigned> opcode{};
    Width width = Width::natural;
    std::optional<unsigned> extension{}; ///< ModRM.reg, if it is part of the opcode; otherwise it is a register
    Immediate immediate = Immediate::none;
    bool lockable = true;
    bool bit_string = false;           ///< the register is a bit offset, which may lead away from the operand
    std::uint64_t undefined_flags = 0; ///< by the manual
};

inline std::vector<Recipe> store_recipes() {
    using emulate::kAdjust, emulate::kCarry, emulate::kStatusFlags, emulate::kZero;
    using Immediate = Recipe::Immediate;
    using Width = Recipe::Width;
    std::vector<Recipe> made;

    std::array const arithmetic = {"add", "or", "adc", "sbb", "and", "sub", "xor"};
    for (unsigned number = 0; number < arithmetic.size(); ++number) {
        bool const logic = number == 1 || number == 4 || number == 6;
        Recipe recipe{.name = arithmetic[number], .undefined_flags = logic ? kAdjust : 0};
        auto const add = [&](unsigned opcode, Width width, std::optional<unsigned> extension, Immediate immediate) {
            recipe.opcode = {opcode};
            recipe.width = width;
            recipe.extension = extension;
            recipe.immediate = immediate;
            made.push_back(recipe);
        };
        add(number * 8, Width::byte, {}, Immediate::none);
        add(number * 8 + 1, Width::natural, {}, Immediate::none);
        add(0x80, Width::byte, number, Immediate::byte);
        add(0x81, Width::natural, number, Immediate::natural);
        add(0x83, Width::natural, number, Immediate::byte);
    }

    auto const add_both_widths = [&](Recipe recipe) {
        recipe.width = Width::byte;
        made.push_back(recipe);
        recipe.width = Width::natural;
        ++recipe.opcode.back();
        made.push_back(recipe);
    };
    add_both_widths({.name = "not", .opcode = {0xf6}, .extension = 2});
    add_both_widths({.name = "neg", .opcode = {0xf6}, .extension = 3});
    add_both_widths({.name = "inc", .opcode = {0xfe}, .extension = 0});
    add_both_widths({.name = "dec", .opcode = {0xfe}, .extension = 1});
    add_both_widths({.name = "xchg", .opcode = {0x86}});
    add_both_widths({.name = "cmpxchg", .opcode = {0x0f, 0xb0}});
    add_both_widths({.name = "xadd", .opcode = {0x0f, 0xc0}});
    add_both_widths({.name = "mov", .opcode = {0x88}, .lockable = false});
    add_both_widths(
        {.name = "mov", .opcode = {0xc6}, .extension = 0, .immediate = Immediate::natural, .lockable = false});

    constexpr std::uint64_t kUndefinedByBits = kStatusFlags & ~(kCarry | kZero);
    auto const add_bit_operation = [&](char const* name, unsigned opcode, unsigned extension) {
        made.push_back(
            {.name = name, .opcode = {0x0f, opcode}, .bit_string = true, .undefined_flags = kUndefinedByBits});
        made.push_back({.name = name,
                        .opcode = {0x0f, 0xba},
                        .extension = extension,
                        .immediate = Immediate::byte,
                        .undefined_flags = kUndefinedByBits});
    };
    add_bit_operation("bts", 0xab, 5);
    add_bit_operation("btr", 0xb3, 6);
    add_bit_operation("btc", 0xbb, 7);

    made.push_back({.name = "movnti", .opcode = {0x0f, 0xc3}, .width = Width::no_word, .lockable = false});
    made.push_back({.name = "cmpxchg8b", .opcode = {0x0f, 0xc7}, .width = Width::quad, .extension = 1});
    return made;
}

/// One instruction with all it needs to run.
struct Trial {
    Code bytes{};
    arch::Registers registers{}; ///< RIP is where the instruction is to be placed
    std::uint64_t entry = 0;
};

class RandomStores {
  public:
    /// @p entry is the address of the eight bytes to store to, @p rip where the instruction will be; both below 2 GiB.
    RandomStores(std::uint32_t seed, std::uint64_t entry, std::uint64_t rip)
        : random_{seed}, entry_{entry}, rip_{rip} {}

    Trial make(Recipe const& recipe) {
        unsigned const bytes = choose_bytes(recipe.width);
        Trial trial = any_state();
        unsigned const reg = recipe.extension.value_or(below(16));
        Addressing const addressing = choose_addressing(recipe, reg);
        std::uint64_t const target = entry_ + below(8 / bytes) * bytes;

        if (recipe.bit_string && !addressing.base) // nothing could take back what the offset adds
            emulate::full_register(trial.registers, reg) = below(8 * bytes);
        if (below(2) == 0)
            expect_what_is_there(trial, target, bytes, recipe);
        if (addressing.base)
            aim(trial.registers, addressing, target - bit_displacement(recipe, trial.registers, reg, bytes));
        trial.bytes = encode(recipe, bytes, reg, addressing, target);
        return trial;
    }

    /// Registers, flags and entry with anything in them.
    Trial any_state() {
        Trial trial;
        for (unsigned number = 0; number < 16; ++number)
            emulate::full_register(trial.registers, number) = value();
        trial.registers.rflags = 0x202 | (value() & emulate::kStatusFlags);
        trial.registers.rip = rip_;
        trial.entry = value();
        return trial;
    }

    /// Numbers with many carries and boundaries among them.
    std::uint64_t value() {
        switch (below(6)) {
        case 0: return 0;
        case 1: return ~std::uint64_t{0};
        case 2: return std::uint64_t{1} << below(64);
        case 3: return (std::uint64_t{1} << below(64)) - 1;
        default: return std::uint64_t{random_()} << 32 | random_();
        }
    }
    unsigned below(unsigned count) { return static_cast<unsigned>(random_() % count); }

  private:
    /// [base + index << scale + displacement], [rip + displacement] or [displacement]
    struct Addressing {
        std::optional<unsigned> base{}, index{};
        unsigned scale = 0;
        unsigned displacement_bytes = 4;
        std::uint64_t displacement = 0;
        bool rip_relative = false;
        bool narrow = false; ///< 32-bit addresses
    };

    unsigned choose_bytes(Recipe::Width width) {
        switch (width) {
        case Recipe::Width::byte: return 1;
        case Recipe::Width::quad: return 8;
        case Recipe::Width::no_word: return below(2) == 0 ? 8 : 4;
        case Recipe::Width::natural: break;
        }
        return 2U << below(3);
    }

    Addressing choose_addressing(Recipe const& recipe, unsigned reg) {
        Addressing chosen;
        chosen.narrow = below(8) == 0;
        unsigned const form = below(5);
        if (form <= 1) {
            chosen.rip_relative = form == 0;
            return chosen;
        }
        do
            chosen.base = below(16);
        while (recipe.bit_string && *chosen.base == reg); // it cannot hold both
        if (form == 2) {
            chosen.displacement_bytes = 1;
        } else if (form == 3) {
            do
                chosen.index = below(16);
            while (*chosen.index == emulate::kRsp || *chosen.index == *chosen.base);
            chosen.scale = below(4);
        }
        unsigned const size = chosen.displacement_bytes;
        chosen.displacement = emulate::sign_extend(emulate::truncate(value(), size), size);
        return chosen;
    }

    /// Gives cmpxchg and cmpxchg8b what they expect. (If RAX is also the base, it will not be.)
    static void expect_what_is_there(Trial& trial, std::uint64_t target, unsigned bytes, Recipe const& recipe) {
        if (recipe.bit_string)
            return;
        std::uint64_t const there = trial.entry >> (8 * (target & 7));
        emulate::write_gpr(trial.registers, {emulate::kRax}, bytes < 4 ? bytes : 8, emulate::truncate(there, bytes));
        if (recipe.width == Recipe::Width::quad) {
            trial.registers.rax = emulate::truncate(trial.entry, 4);
            trial.registers.rdx = trial.entry >> 32;
        }
    }

    /// How far the bit offset in @p reg leads from the operand that the address names.
    static std::uint64_t bit_displacement(Recipe const& recipe, arch::Registers const& registers, unsigned reg,
                                          unsigned bytes) {
        if (!recipe.bit_string)
            return 0;
        std::uint64_t const low = emulate::truncate(emulate::full_register(registers, reg), bytes);
        auto const offset = static_cast<std::int64_t>(emulate::sign_extend(low, bytes));
        unsigned const log_bits = bytes == 8 ? 6 : bytes == 4 ? 5 : 4;
        return static_cast<std::uint64_t>(offset >> log_bits) * bytes;
    }

    /// Sets the base register so that the address comes out as @p target.
    void aim(arch::Registers& registers, Addressing const& addressing, std::uint64_t target) {
        std::uint64_t base = target - addressing.displacement;
        if (addressing.index)
            base -= emulate::full_register(registers, *addressing.index) << addressing.scale;
        if (addressing.narrow) // the upper half must not matter
            base = emulate::truncate(base, 4) | value() << 32;
        emulate::full_register(registers, *addressing.base) = base;
    }

    Code encode(Recipe const& recipe, unsigned bytes, unsigned reg, Addressing const& addressing,
                std::uint64_t target) {
        Code code;
        auto const put = [&](std::uint64_t number, unsigned count = 1) {
            for (unsigned i = 0; i < count; ++i)
                code.push_back(static_cast<std::byte>(number >> (8 * i)));
        };
        unsigned const lock_or_ds = below(4);
        if (lock_or_ds == 0 && recipe.lockable)
            put(0xf0);
        if (lock_or_ds == 1) // what Linux puts in LOCK's place
            put(0x3e);
        if (addressing.narrow)
            put(0x67);
        if (bytes == 2)
            put(0x66);

        unsigned const base = addressing.base.value_or(0);
        unsigned const index = addressing.index.value_or(emulate::kRsp); // means none
        bool const wide = bytes == 8 && recipe.width != Recipe::Width::quad;
        unsigned const rex = (wide ? 8U : 0U) | (reg >= 8 ? 4U : 0U) | (index >= 8 ? 2U : 0U) | (base >= 8 ? 1U : 0U);
        if (rex != 0 || below(4) == 0)
            put(0x40 | rex);
        for (unsigned const byte : recipe.opcode)
            put(byte);

        unsigned const reg_bits = (reg & 7) << 3;
        unsigned const immediate_bytes = recipe.immediate == Recipe::Immediate::none   ? 0
                                         : recipe.immediate == Recipe::Immediate::byte ? 1
                                                                                       : std::min(bytes, 4U);
        if (addressing.rip_relative) {
            put(reg_bits | 5);
            put(target - (rip_ + code.size() + 4 + immediate_bytes), 4);
        } else if (!addressing.base) {
            put(reg_bits | 4);
            put(0x25); // no base, no index
            put(target, 4);
        } else {
            unsigned const mod = addressing.displacement_bytes == 1 ? 0x40 : 0x80;
            bool const needs_sib = addressing.index || (base & 7) == 4;
            put(mod | reg_bits | (needs_sib ? 4 : base & 7));
            if (needs_sib)
                put(addressing.scale << 6 | (index & 7) << 3 | (base & 7));
            put(addressing.displacement, addressing.displacement_bytes);
        }
        put(value(), immediate_bytes);
        return code;
    }

    std::mt19937 random_;
    std::uint64_t entry_;
    std::uint64_t rip_;
};

} // namespace test
