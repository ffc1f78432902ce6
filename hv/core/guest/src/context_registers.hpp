/// What a vCPU's registers are called here and in the ABI: for contexts, both ways.
#pragma once

#include <array>
#include <cstdint>

#include "abi/xen.hpp"
#include "arch/registers.hpp"

namespace guest {

struct RegisterPair {
    std::uint64_t arch::Registers::*ours;
    std::uint64_t cpu_user_regs_t::*theirs;
};

/// Those that are the same on both sides; selectors and flags are not.
inline constexpr std::array kRegisterPairs{RegisterPair{&arch::Registers::r15, &cpu_user_regs_t::r15},
                                           RegisterPair{&arch::Registers::r14, &cpu_user_regs_t::r14},
                                           RegisterPair{&arch::Registers::r13, &cpu_user_regs_t::r13},
                                           RegisterPair{&arch::Registers::r12, &cpu_user_regs_t::r12},
                                           RegisterPair{&arch::Registers::rbp, &cpu_user_regs_t::rbp},
                                           RegisterPair{&arch::Registers::rbx, &cpu_user_regs_t::rbx},
                                           RegisterPair{&arch::Registers::r11, &cpu_user_regs_t::r11},
                                           RegisterPair{&arch::Registers::r10, &cpu_user_regs_t::r10},
                                           RegisterPair{&arch::Registers::r9, &cpu_user_regs_t::r9},
                                           RegisterPair{&arch::Registers::r8, &cpu_user_regs_t::r8},
                                           RegisterPair{&arch::Registers::rax, &cpu_user_regs_t::rax},
                                           RegisterPair{&arch::Registers::rcx, &cpu_user_regs_t::rcx},
                                           RegisterPair{&arch::Registers::rdx, &cpu_user_regs_t::rdx},
                                           RegisterPair{&arch::Registers::rsi, &cpu_user_regs_t::rsi},
                                           RegisterPair{&arch::Registers::rdi, &cpu_user_regs_t::rdi},
                                           RegisterPair{&arch::Registers::rip, &cpu_user_regs_t::rip},
                                           RegisterPair{&arch::Registers::rsp, &cpu_user_regs_t::rsp}};

} // namespace guest
