/// Translation roots, and what was flushed.
#include "arch/cpu.hpp"
#include "arch_fake/machine.hpp"
#include "base/assert.hpp"

using arch_fake::Event;
using arch_fake::Machine;

namespace arch {

namespace {

constexpr bool is_hypervisor_slot(unsigned slot) { return slot >= 256 && slot < 272; }

} // namespace

void install_root(Root root, base::Mfn shadow) {
    Machine& machine = Machine::current();
    auto& page = machine.this_cpu().root_page(root);
    page.shadow = shadow;
    page.entries = {};
    if (shadow.valid()) {
        auto const* const from = frame_as<std::uint64_t const>(shadow);
        for (unsigned slot = 0; slot < base::kTableEntries; ++slot)
            page.entries[slot] = is_hypervisor_slot(slot) ? 0 : from[slot];
    }
    page.flush_owed = true;
    machine.record({.kind = Event::Kind::install_root, .root = root, .frame = shadow});
}

void show_machine_to_phys(MachineToPhys which) {
    auto& cpu = Machine::current().this_cpu();
    cpu.machine_to_phys = which;
    cpu.root_page(Root::kernel).flush_owed = true;
}

// No such table here: who asks for its frames finds that there are none.
base::Mfn identity_table_frame(std::uint64_t) { return {}; }

void use_root(Root root) {
    Machine& machine = Machine::current();
    auto& cpu = machine.this_cpu();
    cpu.root = root;
    if (auto& page = cpu.root_page(root); page.flush_owed) {
        page.flush_owed = false;
        ++cpu.flushes;
    }
    machine.record({.kind = Event::Kind::use_root, .root = root});
}

bool reveal(base::Vaddr /*address*/) { return false; }

void patch_root(base::CpuId cpu, Root root, base::Mfn shadow, unsigned slot, std::uint64_t entry) {
    ASSERT(slot < base::kTableEntries && !is_hypervisor_slot(slot));
    Machine& machine = Machine::current();
    if (auto& page = machine.cpu(cpu).root_page(root); page.shadow == shadow)
        page.entries[slot] = entry;
    machine.record(
        {.kind = Event::Kind::patch_root, .cpu = cpu, .root = root, .frame = shadow, .slot = slot, .value = entry});
}

void flush_tlb() {
    Machine& machine = Machine::current();
    ++machine.this_cpu().flushes;
    machine.record({.kind = Event::Kind::flush_tlb});
}

void flush_page(base::Vaddr address) {
    Machine::current().record({.kind = Event::Kind::flush_page, .address = address});
}

} // namespace arch
