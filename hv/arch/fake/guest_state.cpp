/// A guest's live state.
#include <algorithm>
#include <cstring>

#include "arch/cpu.hpp"
#include "arch_fake/machine.hpp"
#include "base/assert.hpp"

using arch_fake::Machine;

namespace arch {

namespace {

arch_fake::Cpu& cpu() { return Machine::current().this_cpu(); }

/// Null if the selector cannot be loaded.
std::uint16_t loaded(std::uint16_t selector, std::uint8_t bit, std::uint8_t& faults) {
    if (!Machine::current().bad_selectors.contains(selector))
        return selector;
    faults = static_cast<std::uint8_t>(faults | bit);
    return 0;
}

} // namespace

Segments read_segments() { return cpu().segments; }

std::uint8_t load_segments(Segments const& segments) {
    std::uint8_t faults = 0;
    auto& live = cpu().segments;
    live = segments;
    live.ds = loaded(segments.ds, fault_ds, faults);
    live.es = loaded(segments.es, fault_es, faults);
    live.fs = loaded(segments.fs, fault_fs, faults);
    live.gs = loaded(segments.gs, fault_gs, faults);
    live.fs_base_from_selector = live.gs_base_from_selector = live.inactive_gs_base_from_selector = false;
    return faults;
}

void swap_gs() { std::swap(cpu().segments.gs_base, cpu().segments.inactive_gs_base); }
std::uint64_t fs_base() { return cpu().segments.fs_base; }
std::uint64_t gs_base() { return cpu().segments.gs_base; }
std::uint64_t inactive_gs_base() { return cpu().segments.inactive_gs_base; }
void set_fs_base(std::uint64_t base) { cpu().segments.fs_base = base; }
void set_gs_base(std::uint64_t base) { cpu().segments.gs_base = base; }
void set_inactive_gs_base(std::uint64_t base) { cpu().segments.inactive_gs_base = base; }

/// The selector register is the same for both: only the base is kept apart. The fake's descriptors have base 0.
void load_inactive_gs(std::uint16_t selector) {
    std::uint8_t faults = 0;
    cpu().segments.gs = loaded(selector, fault_gs, faults);
    cpu().segments.inactive_gs_base = 0;
}

void install_gdt(std::span<base::Mfn const, 14> frames) { std::copy(frames.begin(), frames.end(), cpu().gdt.begin()); }

void install_ldt(std::span<base::Mfn const, 16> frames, std::uint32_t entries) {
    std::copy(frames.begin(), frames.end(), cpu().ldt.begin());
    cpu().ldt_entries = entries;
}

base::Vaddr ldt_window() { return base::Vaddr{0xffff'82d0'c010'0000}; }

void set_guest_cr4(std::uint64_t bits) { cpu().cr4 = bits; }
void set_task_switched(bool on) { cpu().task_switched = on; }

std::size_t extended_state_size() { return Machine::current().extended_state_size; }
std::uint64_t supported_xcr0() { return Machine::current().supported_xcr0; }
void init_extended_state(std::byte* area) { std::memset(area, 0, extended_state_size()); }

void save_extended_state(std::byte* area) {
    cpu().extended_state.resize(extended_state_size());
    std::memcpy(area, cpu().extended_state.data(), extended_state_size());
}

void read_legacy_state(std::byte const* area, LegacyState into) { std::memcpy(into.data(), area, into.size()); }

void write_legacy_state(std::byte* area, std::span<std::byte const, 512> from) {
    std::memcpy(area, from.data(), from.size());
}

bool load_extended_state(std::byte const* area) {
    auto& state = cpu().extended_state;
    if (Machine::current().refuse_extended_state) {
        state.assign(extended_state_size(), std::byte{0});
        return false;
    }
    state.assign(area, area + extended_state_size());
    return true;
}

void set_xcr0(std::uint64_t value) {
    ASSERT((value & 1) != 0 && (value & ~supported_xcr0()) == 0);
    cpu().xcr0 = value;
}

void set_tsc_aux(std::uint64_t value) { cpu().tsc_aux = value; }
base::Vaddr fault_address() { return cpu().fault_address; }
void load_debug_registers(DebugRegisters const& registers) { cpu().debug = registers; }
std::uint64_t read_dr6() { return cpu().debug.dr6; }

} // namespace arch
