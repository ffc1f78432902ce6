/// A CPU made ours: control registers, descriptors, the doors for system calls.
#include "x86/cpu.hpp"

#include <memory>

#include "x86/control.hpp"
#include "x86/cpu_area.hpp"
#include "x86/cpu_start.hpp"
#include "x86/extended_state.hpp"
#include "x86/features.hpp"
#include "x86/interrupts.hpp"
#include "x86/msr.hpp"
#include "x86/roots.hpp"
#include "x86/sealed.hpp"

extern "C" char const syscall_entry[], syscall32_entry[], sysenter_entry[];

namespace x86 {

namespace {

/// WB, WT, UC-, UC, WC, WP: what the ABI shows to guests (docs/abi.md).
constexpr std::uint64_t kPat = 0x0000'0501'0007'0406;

std::uint64_t fixed_cr4() {
    auto const& has = features();
    return kCr4Pae | kCr4Mce | kCr4Osfxsr | kCr4Osxmmexcpt | (has.smep ? kCr4Smep : 0) | (has.smap ? kCr4Smap : 0) |
           (has.umip ? kCr4Umip : 0) | (has.pcid ? kCr4Pcide : 0);
}

SEALED std::uint64_t early_gdt[16] = {};

/// LTR marks the TSS busy in the GDT, which is read-only in its window: once, it is loaded through the direct map.
void load_descriptors() {
    auto const& frames = frames_of(arch::this_cpu());
    auto const alias = reinterpret_cast<std::uint64_t>(arch::direct_map(frames.gdt)) - 14 * base::kPageSize;
    load_gdt({0xffff, alias});
    load_task_register(SELECTOR_TSS);
    load_gdt({0xffff, reinterpret_cast<std::uint64_t>(&cpu_area.gdt)});
    load_kernel_segments();
    load_ldt(0);
    load_interrupt_table();
}

/// Selectors are the same from the first moment on, so that a fault before the boot CPU has its area is told, too. (But
/// there are no stacks of their own yet, nor is a TSS.)
void load_early_descriptors() {
    fill_gdt(early_gdt);
    load_gdt({0xffff, reinterpret_cast<std::uint64_t>(early_gdt) - 14 * base::kPageSize});
    load_kernel_segments();
    load_interrupt_table();
}

void open_system_call_doors() {
    auto const address = [](char const* code) { return reinterpret_cast<std::uint64_t>(code); };
    wrmsr(Msr::star, std::uint64_t{SELECTOR_RING3_CS32} << 48 | std::uint64_t{SELECTOR_KERNEL_CS} << 32);
    wrmsr(Msr::lstar, address(syscall_entry));
    wrmsr(Msr::cstar, address(syscall32_entry));
    wrmsr(Msr::syscall_mask, kFlagsTf | kFlagsIf | kFlagsDf | kFlagsNt | kFlagsRf | kFlagsAc);
    wrmsr(Msr::sysenter_cs, SELECTOR_KERNEL_CS);
    wrmsr(Msr::sysenter_esp, cpu_area.stack_top());
    wrmsr(Msr::sysenter_eip, address(sysenter_entry));
}

} // namespace

void begin_boot_cpu() {
    std::construct_at(reinterpret_cast<EntryData*>(&cpu_area.entry));
    std::construct_at(reinterpret_cast<CpuData*>(&cpu_area.data));
    build_interrupt_table();
    load_early_descriptors();
}

void initialise_this_cpu() {
    wrmsr(Msr::efer, rdmsr(Msr::efer) | kEferSyscall | kEferNx);
    wrmsr(Msr::pat, kPat);
    write_cr0(kCr0);
    write_cr4(fixed_cr4());
    cpu_area.data.cr4 = fixed_cr4();
    load_descriptors();
    open_system_call_doors();
    start_extended_state();
    arch::load_debug_registers({});
    // With PCIDs on, CR3 gets its PCID, and forgets what start-up has cached.
    arch::flush_tlb();
}

void enter_boot_cpu(void (*next)()) {
    write_cr3(root_without_pcid(base::CpuId{0}));
    size_extended_state();
    initialise_this_cpu();
    asm volatile("mov %0, %%rsp\n"
                 "xor %%ebp, %%ebp\n"
                 "call *%1\n"
                 "ud2" ::"r"(reinterpret_cast<std::uint64_t>(cpu_area.frame()) - 8),
                 "r"(next)
                 : "memory");
    __builtin_unreachable();
}

} // namespace x86
