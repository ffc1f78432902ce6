/// Control registers, flags, barriers: one wrapper an instruction, and the names of the bits that we use.
#pragma once

#include <cstdint>

#include "base/frame.hpp"

namespace x86 {

/// CR0. PE, MP, ET, NE, WP, AM and PG are on for good; TS is the guest's.
inline constexpr std::uint64_t kCr0 = 1U << 0 | 1U << 1 | 1U << 4 | 1U << 5 | 1U << 16 | 1U << 18 | 1U << 31;
inline constexpr std::uint64_t kCr0TaskSwitched = 1U << 3;

inline constexpr std::uint64_t kCr4Tsd = 1U << 2;
inline constexpr std::uint64_t kCr4De = 1U << 3;
inline constexpr std::uint64_t kCr4Pae = 1U << 5;
inline constexpr std::uint64_t kCr4Mce = 1U << 6;
inline constexpr std::uint64_t kCr4Osfxsr = 1U << 9;
inline constexpr std::uint64_t kCr4Osxmmexcpt = 1U << 10;
inline constexpr std::uint64_t kCr4Umip = 1U << 11;
inline constexpr std::uint64_t kCr4Fsgsbase = 1U << 16;
inline constexpr std::uint64_t kCr4Pcide = 1U << 17;
inline constexpr std::uint64_t kCr4Osxsave = 1U << 18;
inline constexpr std::uint64_t kCr4Smep = 1U << 20;
inline constexpr std::uint64_t kCr4Smap = 1U << 21;

inline constexpr std::uint64_t kCr3NoFlush = std::uint64_t{1} << 63; ///< keeps what the PCID has cached

inline constexpr std::uint64_t kFlagsTf = 1U << 8;
inline constexpr std::uint64_t kFlagsIf = 1U << 9;
inline constexpr std::uint64_t kFlagsDf = 1U << 10;
inline constexpr std::uint64_t kFlagsNt = 1U << 14;
inline constexpr std::uint64_t kFlagsRf = 1U << 16;
inline constexpr std::uint64_t kFlagsAc = 1U << 18;

inline std::uint64_t read_cr0() {
    std::uint64_t value;
    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}
inline void write_cr0(std::uint64_t value) { asm volatile("mov %0, %%cr0" ::"r"(value) : "memory"); }
inline void clear_task_switched() { asm volatile("clts"); }

inline std::uint64_t read_cr2() {
    std::uint64_t value;
    asm volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

inline std::uint64_t read_cr3() {
    std::uint64_t value;
    asm volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}
inline void write_cr3(std::uint64_t value) { asm volatile("mov %0, %%cr3" ::"r"(value) : "memory"); }

inline std::uint64_t read_cr4() {
    std::uint64_t value;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}
inline void write_cr4(std::uint64_t value) { asm volatile("mov %0, %%cr4" ::"r"(value) : "memory"); }

inline void invlpg(base::Vaddr address) { asm volatile("invlpg (%0)" ::"r"(address.raw()) : "memory"); }

/// Drops what @p pcid has cached for @p address.
inline void invpcid_address(std::uint64_t pcid, base::Vaddr address) {
    struct {
        std::uint64_t pcid, address;
    } const descriptor{pcid, address.raw()};
    asm volatile("invpcid %0, %1" ::"m"(descriptor), "r"(std::uint64_t{0}) : "memory");
}

inline std::uint64_t read_tsc_now() {
    std::uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return std::uint64_t{high} << 32 | low;
}

inline void pause() { asm volatile("pause"); }
/// For what follows to be after what came before even if it is a WRMSR to the x2APIC (SDM vol. 3A §11.12.3).
inline void memory_fence() { asm volatile("mfence; lfence" ::: "memory"); }
inline void write_back_and_invalidate() { asm volatile("wbinvd" ::: "memory"); }
inline void disable_interrupts() { asm volatile("cli" ::: "memory"); }

/// Interrupts on, wait, off: STI holds interrupts back until HLT has begun, so that none is missed.
inline void wait_with_interrupts() { asm volatile("sti; hlt; cli" ::: "memory"); }

inline void xsetbv(std::uint64_t value) {
    asm volatile("xsetbv" ::"c"(0), "a"(static_cast<std::uint32_t>(value)),
                 "d"(static_cast<std::uint32_t>(value >> 32)));
}

/// Stops this CPU for good.
[[noreturn]] inline void stop() {
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace x86
