/// The work behind emulate/privileged.hpp: include that.
#pragma once

#include "emulate/control_policy.hpp"
#include "emulate/privileged.hpp"

namespace emulate::detail {

constexpr Outcome not_handled() { return {Outcome::Kind::not_handled, {}}; }

/// The instruction at RIP has been carried out.
inline Outcome complete(arch::Registers& registers, Instruction const& instruction) {
    bool const stepping = retire(registers, instruction.length);
    return {stepping ? Outcome::Kind::single_step : Outcome::Kind::done, {}};
}

inline Outcome complete_if(bool worked, arch::Registers& registers, Instruction const& instruction) {
    return worked ? complete(registers, instruction) : not_handled();
}

inline void write_edx_eax(arch::Registers& registers, std::uint64_t value) {
    registers.rax = value & 0xffff'ffff;
    registers.rdx = value >> 32;
}

inline std::uint64_t read_edx_eax(arch::Registers const& registers) {
    return registers.rdx << 32 | (registers.rax & 0xffff'ffff);
}

inline std::uint32_t low_half(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

/// Carries out one instruction of one guest.
template <typename E> class Emulation {
  public:
    Emulation(E& env, arch::Registers& registers, Instruction const& instruction)
        : env_{env}, registers_{registers}, instruction_{instruction} {}

    Outcome by_invalid_opcode() {
        return instruction_.operation == Operation::forced_cpuid ? identify(CpuidView::forced) : not_handled();
    }

    Outcome by_general_protection() {
        switch (instruction_.operation) {
            using enum Operation;
        case in: return port_in();
        case out: return port_out();
        case ins:
        case outs: return string_io();
        case cli:
        case sti: // IF is the guest's only in evtchn_upcall_mask, and these do not touch that (docs/abi.md §4.2)
            return complete_if(iopl_allows(env_.iopl(), env_.in_kernel_mode()), registers_, instruction_);
        case cpuid: return identify(CpuidView::native);
        default: return env_.in_kernel_mode() ? kernel_only() : not_handled();
        }
    }

  private:
    Outcome kernel_only() {
        switch (instruction_.operation) {
            using enum Operation;
        case rdmsr: return read_into_edx_eax(env_.read_msr(low_half(registers_.rcx)));
        case wrmsr: return finish_if(env_.write_msr(low_half(registers_.rcx), read_edx_eax(registers_)));
        case read_control: return read_into_register(env_.read_control(instruction_.reg.number));
        case write_control: return finish_if(env_.write_control(instruction_.reg.number, named_register()));
        case clts: return clear_task_switched();
        case read_debug: return read_into_register(env_.read_debug(instruction_.reg.number));
        case write_debug: return finish_if(env_.write_debug(instruction_.reg.number, named_register()));
        case xsetbv: return finish_if(low_half(registers_.rcx) == 0 && env_.write_xcr0(read_edx_eax(registers_)));
        case rdtsc: return read_into_edx_eax(env_.read_tsc());
        case rdtscp: registers_.rcx = low_half(env_.read_tsc_aux()); return read_into_edx_eax(env_.read_tsc());
        case wbinvd: env_.write_back_caches(); return finish();
        case hlt: {
            Outcome outcome = finish();
            if (outcome.kind == Outcome::Kind::done)
                outcome.kind = Outcome::Kind::block; // a single-stepped HLT ends with its #DB instead
            return outcome;
        }
        default: return not_handled();
        }
    }

    Outcome finish() { return complete(registers_, instruction_); }
    Outcome finish_if(bool worked) { return complete_if(worked, registers_, instruction_); }

    std::uint64_t named_register() const { return read_gpr(registers_, instruction_.direct, 8); }

    Outcome read_into_register(std::optional<std::uint64_t> value) {
        if (!value)
            return not_handled();
        write_gpr(registers_, instruction_.direct, 8, *value);
        return finish();
    }

    Outcome read_into_edx_eax(std::optional<std::uint64_t> value) {
        if (!value)
            return not_handled();
        write_edx_eax(registers_, *value);
        return finish();
    }

    Outcome clear_task_switched() {
        std::optional<std::uint64_t> const cr0 = env_.read_control(0);
        return finish_if(cr0 && env_.write_control(0, *cr0 & ~kCr0TaskSwitched));
    }

    Outcome identify(CpuidView view) {
        arch::CpuidResult const seen = env_.cpuid(low_half(registers_.rax), low_half(registers_.rcx), view);
        registers_.rax = seen.eax;
        registers_.rbx = seen.ebx;
        registers_.rcx = seen.ecx;
        registers_.rdx = seen.edx;
        return finish();
    }

    // --- ports -----------------------------------------------------------------------------------------------------

    unsigned bytes() const { return instruction_.operand_bytes; }

    std::uint16_t port() const {
        return static_cast<std::uint16_t>(instruction_.source == Source::immediate ? instruction_.immediate
                                                                                   : registers_.rdx);
    }

    bool port_allowed() const {
        return iopl_allows(env_.iopl(), env_.in_kernel_mode()) || env_.bitmap_allows(port(), bytes());
    }

    Outcome port_in() {
        if (!port_allowed())
            return not_handled();
        write_gpr(registers_, Gpr{kRax}, bytes(), env_.port_in(port(), bytes()));
        return finish();
    }

    Outcome port_out() {
        if (!port_allowed())
            return not_handled();
        env_.port_out(port(), bytes(), low_half(read_gpr(registers_, Gpr{kRax}, bytes())));
        return finish();
    }

    // --- strings ---------------------------------------------------------------------------------------------------

    /// The register that walks through memory.
    Gpr pointer() const {
        return Gpr{instruction_.operation == Operation::ins ? std::uint8_t{kRdi} : std::uint8_t{kRsi}};
    }

    base::Vaddr element_address() const {
        std::uint64_t at = read_gpr(registers_, pointer(), instruction_.address_bytes);
        if (instruction_.operation == Operation::outs) { // INS always uses ES
            SegmentBases const bases = env_.segment_bases();
            if (instruction_.memory.segment == SegmentOverride::fs)
                at += bases.fs;
            if (instruction_.memory.segment == SegmentOverride::gs)
                at += bases.gs;
        }
        return base::Vaddr{at};
    }

    /// One INS or OUTS. INS reads the device only after its destination is known to be writable: a port read cannot
    /// be taken back, and the guest will come again after a page fault.
    std::optional<Fault> one_element() {
        base::Vaddr const at = element_address();
        if (!base::canonical(at) || !base::canonical(at + (bytes() - 1)))
            return Fault{kGeneralProtection, 0, {}};
        std::array<std::byte, 4> buffer{};
        auto const element = std::span{buffer}.first(bytes());
        std::optional<MemoryFault> failed;
        if (instruction_.operation == Operation::ins) {
            failed = env_.probe_write(at, bytes());
            if (!failed) {
                store(element, env_.port_in(port(), bytes()));
                failed = env_.copy_to_guest(at, element);
            }
        } else {
            failed = env_.copy_from_guest(element, at);
            if (!failed)
                env_.port_out(port(), bytes(), load(element));
        }
        if (failed)
            return Fault{kPageFault, failed->error_code, failed->address};
        return std::nullopt;
    }

    static void store(std::span<std::byte> to, std::uint32_t value) {
        for (std::size_t i = 0; i < to.size(); ++i)
            to[i] = static_cast<std::byte>(value >> (8 * i));
    }

    static std::uint32_t load(std::span<std::byte const> from) {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < from.size(); ++i)
            value |= std::to_integer<std::uint32_t>(from[i]) << (8 * i);
        return value;
    }

    void step_pointer() {
        std::uint64_t const step = (registers_.rflags & kDirection) != 0 ? -std::uint64_t{bytes()} : bytes();
        std::uint64_t const next = read_gpr(registers_, pointer(), instruction_.address_bytes) + step;
        write_gpr(registers_, pointer(), instruction_.address_bytes, next);
    }

    std::uint64_t remaining() const { return read_gpr(registers_, Gpr{kRcx}, instruction_.address_bytes); }

    Outcome string_io() {
        if (!port_allowed())
            return not_handled();
        if (!instruction_.repeat) {
            if (auto const fault = one_element())
                return {Outcome::Kind::fault, *fault};
            step_pointer();
            return finish();
        }
        bool const stepping = (registers_.rflags & kTrap) != 0;
        for (unsigned done = 0; remaining() != 0; ++done) {
            if (done == kStringBudget || (stepping && done == 1))
                break;
            if (auto const fault = one_element())
                return {Outcome::Kind::fault, *fault};
            step_pointer();
            write_gpr(registers_, Gpr{kRcx}, instruction_.address_bytes, remaining() - 1);
        }
        if (remaining() == 0)
            return finish();
        return {stepping ? Outcome::Kind::single_step : Outcome::Kind::done, {}};
    }

    E& env_;
    arch::Registers& registers_;
    Instruction const& instruction_;
};

} // namespace emulate::detail

namespace emulate {

template <Environment E>
Outcome emulate_privileged(E& env, arch::Registers& registers, base::Bytes code, CodeMode mode) {
    auto const instruction = decode(code, mode);
    if (!instruction)
        return detail::not_handled();
    detail::Emulation<E> emulation{env, registers, instruction.value()};
    if (registers.vector == kInvalidOpcode)
        return emulation.by_invalid_opcode();
    if (registers.vector == kGeneralProtection && registers.error_code == 0)
        return emulation.by_general_protection();
    return detail::not_handled();
}

} // namespace emulate
