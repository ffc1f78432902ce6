/// A decoder for exactly the instructions that Tern carries out for a guest: stores to page tables (docs/abi.md §2.3)
/// and privileged instructions (§4.2). What it does not know it refuses; it never guesses a length.
///
///     auto const instruction = decode(fetched, CodeMode::bits64);
///     if (!instruction) ...                                        // not ours: give the fault to the guest
///     Vaddr const at = effective_address(*instruction, registers, bases);
///
/// The bytes are the guest's, fetched once by the caller (SP-7), at most 15; fewer if the next page cannot be fetched.
#pragma once

#include <cstdint>

#include "arch/registers.hpp"
#include "base/bytes.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "emulate/gpr.hpp"

namespace emulate {

inline constexpr std::size_t kLongestInstruction = 15;

/// What the code segment says about its code. Only 64-bit code is decoded in full; of 32-bit code (compatibility
/// mode) what user space may meet: IN, OUT, CLI, STI, INT n and the two CPUIDs. Of 16-bit code, nothing.
enum class CodeMode : std::uint8_t { bits64, bits32, other };

// clang-format off
enum class Operation : std::uint8_t {
    // read, modify, write: in the order of their opcodes and ModRM.reg values
    add, bit_or, adc, sbb, bit_and, sub, bit_xor,
    inc, dec, bit_not, neg,
    bts, btr, btc,
    // exchange
    xchg, xadd, cmpxchg, cmpxchg8b,
    // store
    mov, stos,
    // privileged
    rdmsr, wrmsr, read_control, write_control, read_debug, write_debug, clts, xsetbv, rdtsc, rdtscp, wbinvd, hlt,
    cpuid, forced_cpuid,
    in, out, ins, outs,
    cli, sti,
    software_interrupt,
};
// clang-format on

/// The segment override that matters in 64-bit code: the others have base 0.
enum class SegmentOverride : std::uint8_t { none, fs, gs };

struct SegmentBases {
    std::uint64_t fs = 0;
    std::uint64_t gs = 0;
};

inline constexpr std::uint8_t kNoRegister = 0xff;

/// [base + index * 2^scale + displacement]
struct MemoryOperand {
    std::uint64_t displacement = 0; ///< sign-extended
    std::uint8_t base = kNoRegister;
    std::uint8_t index = kNoRegister;
    std::uint8_t scale = 0;
    bool rip_relative = false; ///< to the next instruction
    SegmentOverride segment = SegmentOverride::none;
};

/// Where the second operand comes from.
enum class Source : std::uint8_t { none, reg, immediate };

struct Instruction {
    Operation operation{};
    std::uint8_t length = 0;        ///< in bytes, prefixes and all
    std::uint8_t operand_bytes = 0; ///< 1, 2, 4 or 8
    std::uint8_t address_bytes = 8; ///< 4 with an address-size prefix (or in 32-bit code)
    bool has_memory = false;        ///< the ModRM operand is `memory`; otherwise it is `direct`
    bool lock = false;
    bool repeat = false; ///< REP, on a string instruction
    Source source = Source::none;
    MemoryOperand memory{};
    Gpr direct{};                ///< the ModRM operand, if it is a register
    Gpr reg{};                   ///< ModRM.reg: a general register, or the number of a control or debug register
    std::uint64_t immediate = 0; ///< sign-extended where the instruction does so
};

enum class DecodeFailure : std::uint8_t {
    truncated, ///< the instruction goes on beyond the bytes given: the fetch of the next page faults
    too_long,  ///< more than 15 bytes: #GP
    unknown,   ///< not one of ours, or not valid
};

[[nodiscard]] base::Result<Instruction, DecodeFailure> decode(base::Bytes code, CodeMode mode);

/// The virtual address of the memory operand. @p registers are those before the instruction.
[[nodiscard]] base::Vaddr effective_address(Instruction const& instruction, arch::Registers const& registers,
                                            SegmentBases const& bases);

/// The instruction has been carried out: RIP moves on and RF is cleared. True if the guest is single-stepping (TF)
/// and is owed a #DB.
[[nodiscard]] bool retire(arch::Registers& registers, unsigned length);

} // namespace emulate
