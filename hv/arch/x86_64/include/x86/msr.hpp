/// Model-specific registers.
#pragma once

#include <cstdint>
#include <optional>

#include "x86/fixup.hpp"

namespace x86 {

enum class Msr : std::uint32_t {
    apic_base = 0x1b,
    sysenter_cs = 0x174,
    sysenter_esp = 0x175,
    sysenter_eip = 0x176,
    pat = 0x277,
    tsc_deadline = 0x6e0,
    x2apic = 0x800, ///< the local APIC's register at offset n * 16 is MSR 0x800 + n
    efer = 0xc0000080,
    star = 0xc0000081,
    lstar = 0xc0000082,
    cstar = 0xc0000083,
    syscall_mask = 0xc0000084,
    fs_base = 0xc0000100,
    gs_base = 0xc0000101,
    inactive_gs_base = 0xc0000102,
    tsc_aux = 0xc0000103,
};

inline constexpr std::uint64_t kEferSyscall = 1U << 0;
inline constexpr std::uint64_t kEferLongMode = 1U << 8;
inline constexpr std::uint64_t kEferNx = 1U << 11;

/// For registers that are known to be there.
inline std::uint64_t rdmsr(Msr msr) {
    std::uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return std::uint64_t{high} << 32 | low;
}
inline void wrmsr(Msr msr, std::uint64_t value) {
    asm volatile("wrmsr" ::"c"(msr), "a"(static_cast<std::uint32_t>(value)),
                 "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}

/// For any number: nothing, or false, if the CPU refuses.
inline std::optional<std::uint64_t> rdmsr_safe(std::uint32_t msr) {
    std::uint32_t low = 0, high = 0, refused = 1;
    asm volatile("1: rdmsr\n"
                 "xor %2, %2\n"
                 "2:\n" X86_FIXUP(1b, 2b)
                 : "+a"(low), "+d"(high), "+r"(refused)
                 : "c"(msr));
    if (refused != 0)
        return std::nullopt;
    return std::uint64_t{high} << 32 | low;
}
inline bool wrmsr_safe(std::uint32_t msr, std::uint64_t value) {
    std::uint32_t refused = 1;
    asm volatile("1: wrmsr\n"
                 "xor %0, %0\n"
                 "2:\n" X86_FIXUP(1b, 2b)
                 : "+r"(refused)
                 : "c"(msr), "a"(static_cast<std::uint32_t>(value)), "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
    return refused == 0;
}

} // namespace x86
