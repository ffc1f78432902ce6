/// What a CPU saves when it leaves a guest, in memory order: the frame that entry.S builds and that C++ edits.
/// The order is Xen's `struct cpu_user_regs` (<xen/arch-x86/xen-x86_64.h>), so that a context copies straight over.
#pragma once

#include <cstddef>
#include <cstdint>

namespace arch {

struct Registers {
    std::uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    std::uint32_t error_code; ///< as pushed by the CPU, 0 where it pushes none
    std::uint32_t vector;     ///< 0..255, or kSyscallVector / kSyscall32Vector / kSysenterVector
    std::uint64_t rip, cs, rflags, rsp, ss;
};

inline constexpr std::uint32_t kSyscallVector = 0x100;   ///< SYSCALL from 64-bit code: rcx = rip, r11 = rflags
inline constexpr std::uint32_t kSyscall32Vector = 0x101; ///< SYSCALL from compatibility mode (AMD)
inline constexpr std::uint32_t kSysenterVector = 0x102;  ///< SYSENTER: return address and stack unknown

static_assert(offsetof(Registers, rip) == 16 * 8);
static_assert(sizeof(Registers) == 21 * 8);

/// A selector that names no descriptor, whatever its privilege (SDM vol. 3A §3.4.2).
constexpr bool is_null(std::uint16_t selector) { return selector < 4; }

/// Data segment selectors and the three bases of a guest: what is live in the CPU while the guest runs.
struct Segments {
    std::uint16_t ds = 0, es = 0, fs = 0, gs = 0;
    std::uint64_t fs_base = 0;
    std::uint64_t gs_base = 0;          ///< the active one (GS.base): the kernel's while the guest is in kernel mode
    std::uint64_t inactive_gs_base = 0; ///< MSR_KERNEL_GS_BASE: the one that swapgs brings in
    /// Of who has not run yet, a selector can say more than the base: then the base is its descriptor's.
    bool fs_base_from_selector = false, gs_base_from_selector = false, inactive_gs_base_from_selector = false;
};

} // namespace arch
