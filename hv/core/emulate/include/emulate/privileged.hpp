/// Privileged instructions of a PV kernel, which runs in ring 3 and so faults on each of them (docs/abi.md §4.2).
///
/// What an instruction *means* is here; what it acts on is an Environment: a vCPU and its domain, or a test's fake.
/// The policies beside this file (msr_policy, cpuid_policy, port_policy, control_policy) are what a real Environment
/// answers from.
///
///     Outcome const outcome = emulate_privileged(environment, registers, fetched, mode);
///
/// It is called for #GP and for #UD, with the CPU's vector and error code in the registers; CPUID is the only
/// instruction that comes by #UD (behind the forced-emulation prefix).
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "arch/registers.hpp"
#include "base/bytes.hpp"
#include "base/frame.hpp"
#include "emulate/cpuid_policy.hpp"
#include "emulate/decode.hpp"
#include "emulate/gpr.hpp"
#include "emulate/rflags.hpp"

namespace emulate {

inline constexpr std::uint8_t kInvalidOpcode = 6;
inline constexpr std::uint8_t kGeneralProtection = 13;
inline constexpr std::uint8_t kPageFault = 14;

/// An exception that an emulated instruction raises.
struct Fault {
    std::uint8_t vector = kGeneralProtection;
    std::uint32_t error_code = 0;
    base::Vaddr address{}; ///< of a page fault
};

/// How a guest's memory could not be reached: what the guest's own access would have raised.
struct MemoryFault {
    base::Vaddr address{};
    std::uint32_t error_code = 0;
};

struct Outcome {
    enum class Kind : std::uint8_t {
        done,        ///< resume the guest. (RIP may still be at a string instruction, to go on with it.)
        single_step, ///< done, and the guest had TF set: raise #DB
        block,       ///< done, and the guest waits for an event (HLT)
        fault,       ///< raise `raised`; RIP is at the instruction
        not_handled, ///< not ours, or not allowed: bounce what the CPU raised
    };
    Kind kind = Kind::not_handled;
    Fault raised{};
};

template <typename E>
concept Environment = requires(E& env, std::uint32_t number, std::uint64_t value, std::uint16_t port, unsigned bytes,
                               std::uint32_t datum, base::Vaddr at, std::span<std::byte> into,
                               std::span<std::byte const> from, CpuidView view) {
    { env.in_kernel_mode() } -> std::same_as<bool>;
    { env.iopl() } -> std::convertible_to<unsigned>; // virtual: physdev_op set_iopl
    { env.segment_bases() } -> std::same_as<SegmentBases>;
    // Nothing or false: #GP.
    { env.read_msr(number) } -> std::same_as<std::optional<std::uint64_t>>;
    { env.write_msr(number, value) } -> std::same_as<bool>;
    { env.read_control(number) } -> std::same_as<std::optional<std::uint64_t>>; // CR0, 2, 3, 4, 8
    { env.write_control(number, value) } -> std::same_as<bool>;
    { env.read_debug(number) } -> std::same_as<std::optional<std::uint64_t>>; // DR0 .. DR7
    { env.write_debug(number, value) } -> std::same_as<bool>;
    { env.write_xcr0(value) } -> std::same_as<bool>;
    { env.cpuid(number, number, view) } -> std::same_as<arch::CpuidResult>;
    { env.read_tsc() } -> std::same_as<std::uint64_t>;
    { env.read_tsc_aux() } -> std::same_as<std::uint64_t>;
    env.write_back_caches();
    // The task's I/O bitmap; asked only where IOPL does not already allow the access.
    { env.bitmap_allows(port, bytes) } -> std::same_as<bool>;
    { env.port_in(port, bytes) } -> std::same_as<std::uint32_t>;
    env.port_out(port, bytes, datum);
    // Nothing: it worked, or would work.
    { env.probe_write(at, bytes) } -> std::same_as<std::optional<MemoryFault>>;
    { env.copy_from_guest(into, at) } -> std::same_as<std::optional<MemoryFault>>;
    { env.copy_to_guest(at, from) } -> std::same_as<std::optional<MemoryFault>>;
};

/// How many elements of a repeated INS or OUTS are carried out before the guest is let go on (SP-9).
inline constexpr unsigned kStringBudget = 256;

/// True if code at this privilege may use I/O instructions by IOPL alone. The guest's kernel runs in a virtual
/// ring 1: an IOPL of 1 is enough for it.
constexpr bool iopl_allows(unsigned iopl, bool in_kernel_mode) { return iopl >= (in_kernel_mode ? 1U : 3U); }

template <Environment E>
[[nodiscard]] Outcome emulate_privileged(E& env, arch::Registers& registers, base::Bytes code, CodeMode mode);

} // namespace emulate

#include "emulate/privileged_detail.hpp"
