/// A guest's live state: segments, descriptor tables, control and debug registers.
#include <algorithm>

#include "arch/cpu.hpp"
#include "base/assert.hpp"
#include "x86/address_space.hpp"
#include "x86/control.hpp"
#include "x86/cpu_area.hpp"
#include "x86/cpuid.hpp"
#include "x86/debug_registers.hpp"
#include "x86/features.hpp"
#include "x86/msr.hpp"
#include "x86/segments.hpp"

namespace arch {

using namespace x86;

namespace {

constexpr std::uint8_t failed(bool loaded, SegmentFault which) {
    return loaded ? std::uint8_t{0} : static_cast<std::uint8_t>(which);
}

/// Points page @p page of this CPU's area elsewhere. @p entry 0: nothing is there.
void set_window_page(std::byte const* page, std::uint64_t entry) {
    auto const address = reinterpret_cast<std::uint64_t>(page);
    auto& slot = frame_as<std::uint64_t>(frames_of(this_cpu()).table)[base::table_index(base::Vaddr{address}, 1)];
    if (slot == entry)
        return;
    slot = entry;
    flush_page(base::Vaddr{address});
}

} // namespace

Segments read_segments() {
    return {.ds = read_ds(),
            .es = read_es(),
            .fs = read_fs(),
            .gs = read_gs(),
            .fs_base = fs_base(),
            .gs_base = gs_base(),
            .inactive_gs_base = inactive_gs_base()};
}

std::uint8_t load_segments(Segments const& segments) {
    auto faults =
        static_cast<std::uint8_t>(failed(load_ds(segments.ds), fault_ds) | failed(load_es(segments.es), fault_es) |
                                  failed(load_fs(segments.fs), fault_fs) | failed(load_gs(segments.gs), fault_gs));
    // A base is not its selector's for long: Linux keeps user mode's selector in GS while the base is its kernel's.
    if (!segments.fs_base_from_selector || (faults & fault_fs) != 0)
        set_fs_base(segments.fs_base);
    bool const gs_loaded = (faults & fault_gs) == 0;
    set_inactive_gs_base(segments.inactive_gs_base_from_selector && gs_loaded ? gs_base() : segments.inactive_gs_base);
    if (!segments.gs_base_from_selector || !gs_loaded)
        set_gs_base(segments.gs_base);
    return faults;
}

void swap_gs() { swap_gs_bases(); }
std::uint64_t fs_base() { return rdmsr(Msr::fs_base); }
std::uint64_t gs_base() { return rdmsr(Msr::gs_base); }
std::uint64_t inactive_gs_base() { return rdmsr(Msr::inactive_gs_base); }
void set_fs_base(std::uint64_t base) { wrmsr(Msr::fs_base, base); }
void set_gs_base(std::uint64_t base) { wrmsr(Msr::gs_base, base); }
void set_inactive_gs_base(std::uint64_t base) { wrmsr(Msr::inactive_gs_base, base); }

void load_inactive_gs(std::uint16_t selector) {
    swap_gs_bases();
    if (!load_gs(selector) || is_null(selector))
        set_gs_base(0);
    swap_gs_bases();
}

void install_gdt(std::span<base::Mfn const, 14> frames) {
    for (std::size_t i = 0; i < frames.size(); ++i)
        set_window_page(cpu_area.gdt[i].data(), make_entry(frames[i].valid() ? frames[i] : empty_page(), Rights::read));
}

void install_ldt(std::span<base::Mfn const, 16> frames, std::uint32_t entries) {
    auto& data = cpu_area.data;
    ASSERT(entries <= 8192);
    if (entries == 0 && data.ldt_entries == 0)
        return;
    for (std::size_t i = 0; i < frames.size(); ++i)
        set_window_page(cpu_area.ldt[i].data(),
                        entries != 0 && frames[i].valid() ? make_entry(frames[i], Rights::read) : 0);
    data.ldt_entries = entries;
    auto* const gdt = frame_as<std::uint64_t>(frames_of(this_cpu()).gdt);
    auto const descriptor = entries == 0 ? std::array<std::uint64_t, 2>{}
                                         : system_descriptor(SystemSegment::ldt, ldt_window().raw(), entries * 8 - 1);
    std::copy(descriptor.begin(), descriptor.end(), gdt + gdt_slot(SELECTOR_LDT));
    load_ldt(entries == 0 ? 0 : SELECTOR_LDT);
}

base::Vaddr ldt_window() { return base::Vaddr{reinterpret_cast<std::uint64_t>(&cpu_area.ldt)}; }

void set_guest_cr4(std::uint64_t bits) {
    constexpr std::uint64_t kChoice = kCr4Tsd | kCr4De | kCr4Fsgsbase | kCr4Osxsave;
    auto const missing = (features().fsgsbase ? 0 : kCr4Fsgsbase) | (features().xsave ? 0 : kCr4Osxsave);
    auto& data = cpu_area.data;
    auto const value = (data.cr4 & ~kChoice) | (bits & kChoice & ~missing);
    if (value == data.cr4)
        return;
    data.cr4 = value;
    write_cr4(value);
}

void set_tsc_aux(std::uint64_t value) {
    if (features().tsc_aux)
        wrmsr(Msr::tsc_aux, value);
}

base::Vaddr fault_address() { return base::Vaddr{read_cr2()}; }

void load_debug_registers(DebugRegisters const& registers) {
    constexpr std::uint64_t kAnyEnabled = 0xff;
    constexpr std::uint64_t kLimits = 0xffff'd7ff; // of DR7: without general detect, which would catch us
    constexpr std::uint64_t kNothing = 0x400;
    auto& data = cpu_area.data;
    write_dr6(registers.dr6 & 0xffff'ffff);
    if (data.debug_armed)
        write_dr7(kNothing);
    data.debug_armed = (registers.dr7 & kAnyEnabled) != 0;
    if (data.debug_armed) {
        write_dr_addresses(registers.address);
        write_dr7((registers.dr7 & kLimits) | kNothing);
    }
}

std::uint64_t read_dr6() { return x86::read_dr6_register(); }

} // namespace arch
