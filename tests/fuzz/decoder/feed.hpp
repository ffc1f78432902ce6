/// Arbitrary code of a guest that faulted: for the decoder, the emulation of stores, and that of privileged
/// instructions. The input is how the guest stands (one byte of flags, eight that its registers are made from) and
/// then the code.
#pragma once

#include <random>

#include "base/assert.hpp"
#include "emulate/descriptor.hpp"
#include "emulate/privileged.hpp"
#include "emulate/software_interrupt.hpp"
#include "emulate/store.hpp"
#include "unit/emulate/environment.hpp"

namespace fuzz {

using emulate::CodeMode;

inline arch::Registers make_registers(unsigned flags, std::uint64_t seed) {
    std::mt19937_64 random{seed};
    arch::Registers registers{};
    for (unsigned number = 0; number < 16; ++number)
        emulate::full_register(registers, number) = random() >> (random() % 64);
    if ((flags & 4) != 0) { // so that strings and plain operands find memory
        registers.rdi = registers.rsi = 0x80000 + seed % 0x3000;
        registers.rcx = seed % 0x400;
    }
    registers.rip = 0x400000;
    registers.rflags =
        0x10202 | ((flags & 8) != 0 ? emulate::kTrap : 0) | ((flags & 16) != 0 ? emulate::kDirection : 0);
    return registers;
}

/// A decoded instruction says the same of itself alone, and is refused when cut off.
inline void check_decoding(base::Bytes code, CodeMode mode, emulate::Instruction const& instruction) {
    ASSERT(instruction.length > 0 && instruction.length <= emulate::kLongestInstruction);
    ASSERT(instruction.length <= code.size());
    auto const alone = emulate::decode(code.first(instruction.length), mode);
    ASSERT(alone.ok() && alone.value().operation == instruction.operation);
    for (std::size_t size = 0; size < instruction.length; ++size) {
        auto const cut = emulate::decode(code.first(size), mode);
        ASSERT(!cut.ok() && cut.error() == emulate::DecodeFailure::truncated);
    }
}

/// A store keeps to its operand, to the flags of arithmetic, and to moving on by its own length.
inline void check_store(base::Bytes code, CodeMode mode, arch::Registers const& registers,
                        emulate::Instruction const& instruction, std::uint64_t old) {
    auto const bases = [] { return emulate::SegmentBases{.fs = 0x1000, .gs = 0x2000}; };
    base::Vaddr const at = emulate::effective_address(instruction, registers, bases());
    auto const store = emulate::decode_store(code, mode, registers, bases, at);
    if (!store)
        return;
    unsigned const size = store.value().size();
    ASSERT(store.value().address() == at && at.raw() % size == 0);
    auto after = registers;
    auto const effect = store.value().apply(old, after);
    std::uint64_t const operand = emulate::truncate(~std::uint64_t{0}, size) << (8 * (at.raw() & 7));
    ASSERT(((effect.entry ^ old) & ~operand) == 0);
    ASSERT(((after.rflags ^ registers.rflags) & ~(emulate::kStatusFlags | emulate::kResume)) == 0);
    ASSERT(after.rip == registers.rip || after.rip == registers.rip + instruction.length);
    ASSERT(effect.single_step == ((registers.rflags & emulate::kTrap) != 0));
}

/// Whatever a privileged instruction does, RIP is at it or behind it.
inline void check_privileged(base::Bytes code, CodeMode mode, arch::Registers const& before, unsigned flags) {
    test::FakeEnvironment env;
    env.kernel = (flags & 32) != 0;
    env.virtual_iopl = (flags & 64) != 0 ? 3 : 0;
    env.msrs[static_cast<std::uint32_t>(before.rcx)] = 1;
    for (std::uint32_t const vector : {6U, 13U}) {
        arch::Registers registers = before;
        registers.vector = vector;
        auto const outcome = emulate::emulate_privileged(env, registers, code, mode);
        std::uint64_t const moved = registers.rip - before.rip;
        ASSERT(moved <= emulate::kLongestInstruction);
        bool const is_over =
            outcome.kind != emulate::Outcome::Kind::fault && outcome.kind != emulate::Outcome::Kind::not_handled;
        ASSERT(is_over || moved == 0);
        ASSERT(((registers.rflags ^ before.rflags) & ~emulate::kResume) == 0);
    }
}

/// True if the code is an instruction that Tern carries out.
inline bool feed_decoder(base::Bytes input) {
    constexpr std::size_t kPrefix = 1 + 8;
    auto const flag_byte = base::load<std::uint8_t>(input);
    auto const seed = base::load<std::uint64_t>(input, 1);
    if (!flag_byte || !seed)
        return false;
    unsigned const flags = *flag_byte;
    base::Bytes const code = input.subspan(kPrefix);
    arch::Registers const registers = make_registers(flags, *seed);

    bool decoded = false;
    for (CodeMode const mode : {CodeMode::bits64, CodeMode::bits32, CodeMode::other}) {
        (void)emulate::software_interrupt(static_cast<std::uint32_t>(*seed), code, mode);
        auto const instruction = emulate::decode(code, mode);
        if (!instruction)
            continue;
        decoded = true;
        check_decoding(code, mode, instruction.value());
        check_store(code, mode, registers, instruction.value(), *seed);
        check_privileged(code, mode, registers, flags);
    }

    auto const descriptor = emulate::checked_descriptor(*seed);
    bool const present = (*seed >> 47 & 1) != 0;
    if (descriptor && present) // a present descriptor that a guest gets is code or data of ring 3
        ASSERT((descriptor.value() >> 44 & 7) == 7);
    return decoded;
}

} // namespace fuzz
