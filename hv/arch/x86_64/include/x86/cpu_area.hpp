/// A CPU's own memory. It lies at one address in every CPU's address space, so that neither code nor entry paths need
/// a register to find it: GS is the guest's at all times.
///
///   page  0       nothing: a guard
///         1       EntryData: what decides a CR3 or a ring-0 RSP; read-only while the CPU runs
///         2       CpuData: the rest
///         4..11   the stack; a frame (arch::Registers) of the guest is always at its very top
///        13..15   which I/O ports a guest may use without a trap: the same frames for all CPUs
///        17..27   two pages of stack each for NMI, double fault, machine check and debug traps
///        32..47   the GDT: 14 pages of the guest's, 2 of ours
///        48..63   the guest's LDT
///
/// Pages not named are not mapped: there is a guard under and over each stack.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "arch/cpu.hpp"
#include "arch/registers.hpp"
#include "base/lock.hpp"
#include "x86/address_map.hpp"
#include "x86/descriptors.hpp"

namespace x86 {

struct EntryData {
    base::CpuId id{};
    std::uint32_t apic_id = 0;
    std::array<std::uint64_t, 2> cr3{}; ///< of the root page, by who is shown in it; index: arch::Root
    Tss tss;
};

struct CpuData {
    std::uint64_t scratch = 0; ///< entry.S: RSP, until it is on the stack
    base::LockWitness lock_witness;

    arch::Root root = arch::Root::kernel;    ///< the one that CR3 shows
    std::array<bool, 2> flush_owed{};        ///< at the next use of a root
    std::uint64_t timer = ~std::uint64_t{0}; ///< when arch::on_timer() is due
    std::uint64_t cr4 = 0;                   ///< as it is now
    std::uint64_t xcr0 = 1;                  ///< the guest's
    bool task_switched = false;              ///< the guest's
    bool ports_allowed = false;              ///< as the task state segment says
    bool debug_armed = false;                ///< DR7 has something enabled
    std::uint32_t ldt_entries = 0;
};

using Page = std::array<std::byte, base::kPageSize>;
template <typename T> struct alignas(base::kPageSize) OnPage : T {};

struct CpuArea {
    Page guard0;
    OnPage<EntryData> entry;
    OnPage<CpuData> data;
    Page guard3;
    std::array<Page, 8> stack;
    Page guard12;
    std::array<Page, 3> ports; ///< a bit a port: closed. And one more byte of ones (SDM vol. 1 §19.5.2)
    Page guard16;
    std::array<Page, 2> nmi_stack;
    Page guard19;
    std::array<Page, 2> double_fault_stack;
    Page guard22;
    std::array<Page, 2> machine_check_stack;
    Page guard25;
    std::array<Page, 2> debug_stack;
    std::array<Page, 4> guard28;
    std::array<Page, 16> gdt;
    std::array<Page, 16> ldt;

    [[nodiscard]] std::uint64_t stack_top() const { return reinterpret_cast<std::uint64_t>(&guard12); }
    [[nodiscard]] arch::Registers* frame() {
        return reinterpret_cast<arch::Registers*>(stack_top() - sizeof(arch::Registers));
    }
};
static_assert(sizeof(OnPage<EntryData>) == base::kPageSize && sizeof(OnPage<CpuData>) == base::kPageSize);
static_assert(offsetof(CpuArea, data) == AREA_SCRATCH && offsetof(CpuData, scratch) == 0);
static_assert(offsetof(CpuArea, guard12) == AREA_STACK_TOP);
static_assert(offsetof(CpuArea, gdt) == 32 * base::kPageSize && offsetof(CpuArea, ldt) == 48 * base::kPageSize);
static_assert(offsetof(arch::Registers, r11) == FRAME_R11 && offsetof(arch::Registers, rcx) == FRAME_RCX);
static_assert(offsetof(arch::Registers, rip) == FRAME_RIP && sizeof(arch::Registers) == FRAME_SIZE);

/// Our segments, and the task state segment of a CPU's area, into the page at @p entries.
void fill_gdt(std::uint64_t* entries);

/// This CPU's. The linker script says where.
extern "C" CpuArea cpu_area;

/// The same memory as any CPU sees it: frames, through the direct map.
struct CpuFrames {
    base::Mfn table;      ///< the lowest table of the area: entry n maps page n
    base::Mfn entry_data; ///< page 1, writable
    base::Mfn gdt;        ///< page 46, the first of ours, writable
    base::Mfn root;
};
CpuFrames& frames_of(base::CpuId cpu);

} // namespace x86
