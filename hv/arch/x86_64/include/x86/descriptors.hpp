/// Segment descriptors, gates and the task state segment (SDM vol. 3A §3.4.5, §6.14, §7.7), and their instructions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "x86/asm_layout.h"

namespace x86 {

/// Which entry of the first of our GDT pages (the window's page 14) a selector names.
constexpr std::size_t gdt_slot(unsigned selector) { return (selector - 0xe000) / 8; }

/// Code and data segments are flat, and have their Accessed bit: the CPU never writes to the GDT.
inline constexpr std::uint64_t kKernelCode = 0x00af'9b00'0000'ffff;
inline constexpr std::uint64_t kKernelData = 0x00cf'9300'0000'ffff;
inline constexpr std::uint64_t kRing3Code32 = 0x00cf'fb00'0000'ffff;
inline constexpr std::uint64_t kRing3Data = 0x00cf'f300'0000'ffff;
inline constexpr std::uint64_t kRing3Code64 = 0x00af'fb00'0000'ffff;

/// The two words of a TSS or LDT descriptor.
enum class SystemSegment : std::uint8_t { ldt = 0x2, tss = 0x9, busy_tss = 0xb };
constexpr std::array<std::uint64_t, 2> system_descriptor(SystemSegment type, std::uint64_t start, std::uint32_t limit) {
    auto const kind = static_cast<std::uint64_t>(type) | 0x80; // present
    return {(limit & 0xffffU) | (start & 0xff'ffff) << 16 | kind << 40 | std::uint64_t{limit >> 16 & 0xf} << 48 |
                (start >> 24 & 0xff) << 56,
            start >> 32};
}

/// Interrupt stack table: a stack of its own for what may come at any instruction.
enum class Ist : std::uint8_t { none, nmi, double_fault, machine_check, debug };

struct [[gnu::packed]] Tss {
    std::uint32_t reserved0 = 0;
    std::uint64_t rsp[3] = {};
    std::uint64_t reserved1 = 0;
    std::uint64_t ist[7] = {}; ///< index: Ist - 1
    std::uint64_t reserved2 = 0;
    std::uint16_t reserved3 = 0;
    std::uint16_t io_bitmap = kNoPorts;

    static constexpr std::uint16_t kNoPorts = 0xffff; ///< past the end: ring 3 has no ports
};
static_assert(sizeof(Tss) == 104);

struct Gate {
    std::uint64_t low = 0, high = 0;

    Gate() = default;
    /// An interrupt gate: interrupts are off at @p handler.
    Gate(std::uint64_t handler, Ist ist, unsigned privilege)
        : low{(handler & 0xffff) | std::uint64_t{SELECTOR_KERNEL_CS} << 16 | static_cast<std::uint64_t>(ist) << 32 |
              std::uint64_t{0x8e | privilege << 5} << 40 | (handler >> 16 & 0xffff) << 48},
          high{handler >> 32} {}
};

struct [[gnu::packed]] TablePointer {
    std::uint16_t limit;
    std::uint64_t start;
};

inline void load_gdt(TablePointer const& table) { asm volatile("lgdt %0" ::"m"(table)); }
inline void load_idt(TablePointer const& table) { asm volatile("lidt %0" ::"m"(table)); }
inline void load_task_register(std::uint16_t selector) { asm volatile("ltr %0" ::"r"(selector)); }
inline void load_ldt(std::uint16_t selector) { asm volatile("lldt %0" ::"r"(selector)); }

/// Our own CS and SS; null in the others. The guest's GS base does not survive.
inline void load_kernel_segments() {
    std::uint64_t scratch;
    asm volatile("pushq %1\n"
                 "lea 1f(%%rip), %0\n"
                 "push %0\n"
                 "lretq\n"
                 "1: mov %2, %%ss\n"
                 "xor %k0, %k0\n"
                 "mov %k0, %%ds\n"
                 "mov %k0, %%es\n"
                 "mov %k0, %%fs\n"
                 "mov %k0, %%gs\n"
                 : "=&r"(scratch)
                 : "i"(SELECTOR_KERNEL_CS), "r"(SELECTOR_KERNEL_DS)
                 : "memory");
}

} // namespace x86
