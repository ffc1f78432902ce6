/// One function an instruction. Those that a hypervisor has to emulate may trap: see trap_of.
#pragma once

#include <cstdint>

namespace lib {

#define INSTRUCTION(name, text)                                                                                        \
    inline void name() { asm volatile(text : : : "memory"); }
INSTRUCTION(nop, "nop")
INSTRUCTION(ud2, "ud2")
INSTRUCTION(int1, ".byte 0xf1")
INSTRUCTION(int3, "int3")
INSTRUCTION(int3_long, ".byte 0xcd, 3")
INSTRUCTION(cli, "cli")
INSTRUCTION(sti, "sti")
INSTRUCTION(hlt, "hlt")
INSTRUCTION(clts, "clts")
INSTRUCTION(wbinvd, "wbinvd")
INSTRUCTION(sysenter, "sysenter")
INSTRUCTION(vmcall, "vmcall")
INSTRUCTION(vmmcall, "vmmcall")
INSTRUCTION(fninit, "fninit")
INSTRUCTION(fnop, "fnop")
#undef INSTRUCTION

template <unsigned vector> void software_interrupt() { asm volatile("int %0" : : "i"(vector) : "memory"); }
inline void divide_by_zero() { asm volatile("div %%ecx" : : "a"(1), "c"(0), "d"(0)); }
/// Reads at @p address, by an instruction of three bytes.
inline std::uint64_t load_by_rax(std::uint64_t address) {
    asm volatile("mov (%%rax), %%rax" : "+a"(address) : : "memory");
    return address;
}
/// Reads at @p address by way of the stack segment.
inline void read_by_stack_segment(std::uint64_t address) {
    asm volatile("push %%rbp\n\tmov %0, %%rbp\n\tmov (%%rbp), %%eax\n\tpop %%rbp" : : "r"(address) : "rax", "memory");
}
inline std::uint64_t read_by_fs(std::uint64_t offset) {
    std::uint64_t value;
    asm volatile("mov %%fs:(%1), %0" : "=r"(value) : "r"(offset));
    return value;
}
inline std::uint64_t read_by_gs(std::uint64_t offset) {
    std::uint64_t value;
    asm volatile("mov %%gs:(%1), %0" : "=r"(value) : "r"(offset));
    return value;
}
inline std::uint64_t rdfsbase() {
    std::uint64_t value;
    asm volatile("rdfsbase %0" : "=r"(value));
    return value;
}
inline void wrfsbase(std::uint64_t value) { asm volatile("wrfsbase %0" : : "r"(value)); }

/// A far call to where this leads.
struct [[gnu::packed]] FarPointer {
    std::uint32_t offset;
    std::uint16_t selector;
};
inline void far_call(FarPointer const& target) { asm volatile("lcall *%0" : : "m"(target) : "memory"); }

/// IRETQ by the processor, to the next instruction, with these selectors.
inline void iretq_to_here(std::uint64_t cs, std::uint64_t ss) {
    asm volatile(
        "mov %%rsp, %%rax\n\tpush %1\n\tpush %%rax\n\tpushf\n\tpush %0\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\t"
        "iretq\n\tud2\n1:"
        :
        : "r"(cs), "r"(ss)
        : "rax", "memory");
}

/// A breakpoint's place: a function that does nothing.
[[gnu::noinline]] inline void somewhere() { nop(); }

// Those that a kernel in ring 0 would use to set itself up.
struct TablePointer {
    std::uint8_t bytes[10] = {};
};
inline void lgdt(TablePointer const& table) { asm volatile("lgdt %0" : : "m"(table)); }
inline void lidt(TablePointer const& table) { asm volatile("lidt %0" : : "m"(table)); }
inline void lldt(std::uint16_t selector) { asm volatile("lldt %0" : : "r"(selector)); }
inline void ltr(std::uint16_t selector) { asm volatile("ltr %0" : : "r"(selector)); }
inline void lmsw(std::uint16_t word) { asm volatile("lmsw %0" : : "r"(word)); }
inline void invlpg(void const* page) { asm volatile("invlpg (%0)" : : "r"(page) : "memory"); }
inline void rdpmc() { asm volatile("rdpmc" : : "c"(0) : "eax", "edx"); }

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

/// IN and OUT with the port in the instruction; RAX whole, as it is before and after.
inline std::uint64_t in_from_speaker(std::uint64_t rax) {
    asm volatile("inb $0x61, %%al" : "+a"(rax));
    return rax;
}
inline void out_to_post(std::uint64_t rax) { asm volatile("outb %%al, $0x80" : : "a"(rax)); }
inline std::uint64_t in_word(std::uint16_t port, std::uint64_t rax) {
    asm volatile("inw %%dx, %%ax" : "+a"(rax) : "d"(port));
    return rax;
}
inline std::uint64_t in_long(std::uint16_t port, std::uint64_t rax) {
    asm volatile("inl %%dx, %%eax" : "+a"(rax) : "d"(port));
    return rax;
}

/// INS and OUTS: what RDI or RSI, and RCX, are afterwards.
struct StringEnd {
    void const* address;
    std::uint64_t count;
};
inline StringEnd rep_insb(std::uint16_t port, void* to, std::uint64_t count) {
    asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
    return {to, count};
}
inline StringEnd rep_insw_backwards(std::uint16_t port, void* to, std::uint64_t count) {
    asm volatile("std\n\trep insw\n\tcld" : "+D"(to), "+c"(count) : "d"(port) : "memory");
    return {to, count};
}
inline StringEnd insl(std::uint16_t port, void* to) {
    asm volatile("insl" : "+D"(to) : "d"(port) : "memory");
    return {to, 0};
}
inline StringEnd insb(std::uint16_t port, void* to) {
    asm volatile("insb" : "+D"(to) : "d"(port) : "memory");
    return {to, 0};
}
inline StringEnd rep_outsb(std::uint16_t port, void const* from, std::uint64_t count) {
    asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
    return {from, count};
}

} // namespace lib
