/// One function an instruction. Those that a hypervisor has to emulate may trap: see trap_of.
#pragma once

#include <cstdint>

namespace lib {

#define READ_SELECTOR(name)                                                                                            \
    inline std::uint16_t read_##name() {                                                                               \
        std::uint64_t selector;                                                                                        \
        asm volatile("mov %%" #name ", %0" : "=r"(selector));                                                          \
        return static_cast<std::uint16_t>(selector);                                                                   \
    }
READ_SELECTOR(cs)
READ_SELECTOR(ss)
READ_SELECTOR(ds)
READ_SELECTOR(es)
READ_SELECTOR(fs)
READ_SELECTOR(gs)
#undef READ_SELECTOR

#define WRITE_SELECTOR(name)                                                                                           \
    inline void write_##name(std::uint16_t selector) { asm volatile("mov %0, %%" #name : : "r"(selector) : "memory"); }
WRITE_SELECTOR(ds)
WRITE_SELECTOR(es)
WRITE_SELECTOR(fs)
WRITE_SELECTOR(gs)
WRITE_SELECTOR(ss)
#undef WRITE_SELECTOR

#define CONTROL_REGISTER(name)                                                                                         \
    inline std::uint64_t read_##name() {                                                                               \
        std::uint64_t value;                                                                                           \
        asm volatile("mov %%" #name ", %0" : "=r"(value));                                                             \
        return value;                                                                                                  \
    }                                                                                                                  \
    inline void write_##name(std::uint64_t value) { asm volatile("mov %0, %%" #name : : "r"(value) : "memory"); }
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(dr0)
CONTROL_REGISTER(dr3)
CONTROL_REGISTER(dr6)
CONTROL_REGISTER(dr7)
#undef CONTROL_REGISTER

inline std::uint64_t read_rflags() {
    std::uint64_t flags;
    asm volatile("pushf\n\tpop %0" : "=r"(flags));
    return flags;
}
inline void write_rflags(std::uint64_t flags) { asm volatile("push %0\n\tpopf" : : "r"(flags) : "memory", "cc"); }

inline std::uint64_t rdmsr(std::uint32_t index) {
    std::uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return std::uint64_t{high} << 32 | low;
}
inline void wrmsr(std::uint32_t index, std::uint64_t value) {
    asm volatile("wrmsr"
                 :
                 : "c"(index), "a"(static_cast<std::uint32_t>(value)), "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}
inline std::uint64_t rdtsc() {
    std::uint32_t low, high;
    asm volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return std::uint64_t{high} << 32 | low;
}

struct CpuidLeaf {
    std::uint32_t eax, ebx, ecx, edx;
};
/// As the processor itself answers.
inline CpuidLeaf cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    CpuidLeaf out;
    asm volatile("cpuid" : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx) : "a"(leaf), "c"(subleaf));
    return out;
}
/// As the hypervisor answers: with the prefix that makes it do so, "ud2; 'xen'" (<xen/arch-x86/xen.h>).
inline CpuidLeaf xen_cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    CpuidLeaf out;
    asm volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e\n\tcpuid"
                 : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx)
                 : "a"(leaf), "c"(subleaf));
    return out;
}

inline std::uint64_t xgetbv(std::uint32_t index) {
    std::uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
    return std::uint64_t{high} << 32 | low;
}
inline void xsetbv(std::uint32_t index, std::uint64_t value) {
    asm volatile("xsetbv"
                 :
                 : "c"(index), "a"(static_cast<std::uint32_t>(value)), "d"(static_cast<std::uint32_t>(value >> 32)));
}

// The width stands in the instruction: GCC 12 merges functions that differ in an operand's type alone.
template <typename T> T in(std::uint16_t port) {
    T value;
    if constexpr (sizeof(T) == 1)
        asm volatile("inb %1, %b0" : "=a"(value) : "d"(port));
    else if constexpr (sizeof(T) == 2)
        asm volatile("inw %1, %w0" : "=a"(value) : "d"(port));
    else
        asm volatile("inl %1, %k0" : "=a"(value) : "d"(port));
    return value;
}
template <typename T> void out(std::uint16_t port, T value) {
    if constexpr (sizeof(T) == 1)
        asm volatile("outb %b0, %1" : : "a"(value), "d"(port));
    else if constexpr (sizeof(T) == 2)
        asm volatile("outw %w0, %1" : : "a"(value), "d"(port));
    else
        asm volatile("outl %k0, %1" : : "a"(value), "d"(port));
}

} // namespace lib
