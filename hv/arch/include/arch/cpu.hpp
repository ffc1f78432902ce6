/// The contract: what the core may ask of a CPU. Two implementations: hv/arch/x86_64 and, hosted, hv/arch/fake.
///
/// The hypervisor runs with interrupts off; only a guest and an idle CPU are interrupted. It never dereferences a
/// guest's virtual address and never uses a vector register. GS is the guest's own at all times: the hypervisor's
/// per-CPU data lies at one fixed virtual address instead (docs/memory-map.md).
///
/// Unless said otherwise a function acts on the calling CPU, and cannot fail.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "arch/registers.hpp"
#include "base/frame.hpp"
#include "base/number.hpp"

namespace arch {

// --- which CPU, what time ------------------------------------------------------------------------------------------

base::CpuId this_cpu();
std::uint32_t online_cpus(); ///< CPUs are numbered 0 .. online_cpus() - 1
std::uint64_t read_tsc();
std::uint64_t tsc_khz(); ///< calibrated at start of day
bool tsc_stable();       ///< one rate, in all states, on all CPUs: CPUID 0x80000007 EDX[8], or an emulator's clock
void relax();            ///< PAUSE: in every spin loop

/// Asks @p cpu to come into the hypervisor soon: a guest there is interrupted, an idle CPU wakes, a CPU that is in the
/// hypervisor already sees the request before it next enters a guest. Never waits.
void kick(base::CpuId cpu);

/// Waits for an interrupt, with interrupts on; answers with interrupts off. A kick() that came since interrupts were
/// last on ends the wait at once.
void wait_for_interrupt();

/// Sets the one-shot timer of this CPU to fire at @p tsc (at once if past); ~0 stops it.
void set_timer(std::uint64_t tsc);

/// Seconds since 1970-01-01 UTC, from the real-time clock. Start of day only.
std::uint64_t wall_clock_seconds();

// --- memory --------------------------------------------------------------------------------------------------------

/// The hypervisor's own view of @p frame, always mapped (the direct map). 4096 bytes.
std::byte* direct_map(base::Mfn frame);

template <typename T> T* frame_as(base::Mfn frame) { return reinterpret_cast<T*>(direct_map(frame)); }

/// The machine-to-phys table, writable; guests see the same words read-only at HYPERVISOR_VIRT_START. One entry for
/// each frame up to the highest of RAM; all ~0 at start of day.
std::span<std::uint64_t> machine_to_phys();

// --- translation roots ---------------------------------------------------------------------------------------------
// CR3 gets a root page owned by the physical CPU, which shows one of two roots: the guest's kernel mode's or its user
// mode's. A guest's L4 shadow is a template that is copied into it; slots 256..271 are the hypervisor's own.

enum class Root : std::uint8_t { kernel, user };

/// Makes the guest slots of the L4 shadow @p shadow this CPU's @p root and marks that root to be flushed at its next use.
/// An invalid frame: nothing is anywhere.
void install_root(Root root, base::Mfn shadow);

/// Which table the kernel of this CPU's guest reads in slot 256: the machine's, or one by which every frame number is its
/// own. Owes a flush.
enum class MachineToPhys : std::uint8_t { machine, identity };
void show_machine_to_phys(MachineToPhys which);

/// The frame of page @p index of the table that MachineToPhys::identity shows; invalid beyond its numbers.
base::Mfn identity_table_frame(std::uint64_t index);

/// Makes @p root the translation of the guest from now on. Flushes as owed.
[[gnu::hot]] void use_root(Root root);

/// The guest faulted at @p address for want of an entry. True if the root in use has one that was not shown to the CPU
/// until now: the guest may try again.
bool reveal(base::Vaddr address);

/// Stores @p entry in slot @p slot of @p cpu's @p root, if it was installed from @p shadow. Any CPU may call it.
void patch_root(base::CpuId cpu, Root root, base::Mfn shadow, unsigned slot, std::uint64_t entry);

/// Flushes every translation of the guest, under both roots, now.
void flush_tlb();
/// Flushes @p address under both roots, now.
void flush_page(base::Vaddr address);

// --- a guest's live state ------------------------------------------------------------------------------------------

/// Bits for the selectors that could not be loaded: they are null now (failsafe callback).
enum SegmentFault : std::uint8_t { fault_ds = 1, fault_es = 2, fault_fs = 4, fault_gs = 8 };

Segments read_segments();
/// Loads all: bases as given, whatever the selectors' descriptors say, but for those that are to come from them. Answers
/// which selectors failed.
std::uint8_t load_segments(Segments const& segments);
void swap_gs(); ///< the guest changed between kernel and user mode
std::uint64_t fs_base();
std::uint64_t gs_base(); ///< active
std::uint64_t inactive_gs_base();
void set_fs_base(std::uint64_t base); ///< canonical addresses only, also below
void set_gs_base(std::uint64_t base);
void set_inactive_gs_base(std::uint64_t base);
/// Loads @p selector into the *inactive* GS and its base; a selector that cannot be loaded becomes null.
void load_inactive_gs(std::uint16_t selector);

/// The GDT: @p frames back the 14 pages that the guest owns (invalid: an empty page); entries are checked copies.
/// Pages 14 and 15 hold the hypervisor's descriptors (selectors from 0xe000).
void install_gdt(std::span<base::Mfn const, 14> frames);
/// The LDT window: @p frames back its 16 pages; @p entries 0 means no LDT.
void install_ldt(std::span<base::Mfn const, 16> frames, std::uint32_t entries);
/// The window's address: a #PF inside asks for a lazily checked LDT page (SP-29).
base::Vaddr ldt_window();

/// CR4 bits that a guest chooses while it runs: TSD, DE, FSGSBASE, OSXSAVE; others are ignored.
void set_guest_cr4(std::uint64_t bits);
void set_task_switched(bool on); ///< CR0.TS: the guest's own (fpu_taskswitch)

/// Extended state (x87, SSE, AVX ...): an XSAVE area of extended_state_size() bytes, 64-byte aligned.
std::size_t extended_state_size();
std::uint64_t supported_xcr0();
void init_extended_state(std::byte* area);
void save_extended_state(std::byte* area);
/// The part of @p area that is as FXSAVE writes it (SDM vol. 1 §10.5.1): x87, MXCSR, XMM.
using LegacyState = std::span<std::byte, 512>;
void read_legacy_state(std::byte const* area, LegacyState into);
/// Nothing is checked: load_extended_state() does.
void write_legacy_state(std::byte* area, std::span<std::byte const, 512> from);
/// @p area may hold what a toolstack sent: bad contents become the initial state, and false is answered.
bool load_extended_state(std::byte const* area);
void set_xcr0(std::uint64_t value);    ///< a subset of supported_xcr0() with x87 set
void set_tsc_aux(std::uint64_t value); ///< what RDTSCP and RDPID read; nothing where the CPU has neither

/// CR2: the address of the last page fault; until the next entry into the hypervisor.
base::Vaddr fault_address();

struct DebugRegisters {
    std::array<std::uint64_t, 4> address{};
    std::uint64_t dr6 = 0xffff0ff0;
    std::uint64_t dr7 = 0x400;
};
void load_debug_registers(DebugRegisters const& registers);
std::uint64_t read_dr6();

// --- instructions on a guest's behalf --------------------------------------------------------------------------------

struct CpuidResult {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};
CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf);
std::optional<std::uint64_t> read_msr(std::uint32_t msr);  ///< nothing if the CPU refused (#GP)
bool write_msr(std::uint32_t msr, std::uint64_t value);    ///< false if the CPU refused
std::uint32_t port_in(std::uint16_t port, unsigned bytes); ///< 1, 2 or 4 bytes
void port_out(std::uint16_t port, unsigned bytes, std::uint32_t value);
void write_back_caches(); ///< WBINVD

// I/O ports without a trap (SDM vol. 1 §19.5.2): one bitmap for the machine, in force on a CPU while its guest may.
void open_port(std::uint16_t port); ///< start of day only: who may use ports uses this one without asking
[[gnu::hot]] void allow_open_ports(bool guest_may); ///< on this CPU from now on; at first nobody may

// --- console, power --------------------------------------------------------------------------------------------------

void console_write(std::span<char const> text); ///< raw bytes to the serial line
std::size_t console_read(std::span<char> into); ///< what has arrived; never waits

/// What ACPI's PM1 control registers are told to switch the machine off: S5's SLP_TYP, which is in AML, and SLP_EN. Of
/// the default's type 0 QEMU's chipsets, and many others, make the right thing.
struct PowerOff {
    std::uint16_t pm1a = 1U << 13;
    std::uint16_t pm1b = 1U << 13;
};
[[noreturn]] void power_off(PowerOff const& how = {});
[[noreturn]] void reboot();
/// Domain 0 has crashed: a test machine reports failure, any other restarts, or halts with `noreboot`.
[[noreturn]] void dom0_crashed();

} // namespace arch
