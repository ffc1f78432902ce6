/// Translation roots, and what must be flushed with them. Without PCIDs a CPU flushes when what its root page showed is
/// taken away: on the way out of the guest's kernel, and not on the way in (root_page.hpp). With PCIDs each root has its
/// own (1: kernel, 2: user), the CR3 loads between them flush nothing, and what is owed to the root that is not in use is
/// paid at its next use.
#include "x86/roots.hpp"

#include <optional>

#include "base/assert.hpp"
#include "base/lock.hpp"
#include "x86/address_space.hpp"
#include "x86/control.hpp"
#include "x86/cpu_area.hpp"
#include "x86/features.hpp"
#include "x86/root_page.hpp"

namespace x86 {

namespace {

constexpr std::uint64_t pcid(arch::Root root) { return index(root) + 1; }

/// Made when its CPU is: until then they are zeros, which take no room in the image.
std::optional<RootPage> root_pages[base::kMaxCpus];

RootPage& page_of(base::CpuId cpu) { return *root_pages[cpu.raw()]; }

/// True if the two roots have PCIDs.
bool tagged() { return cpu_area.entry.cr3[0] != cpu_area.entry.cr3[1]; }

/// A flush that the root not in use needs, too; without PCIDs it has nothing of its own.
void owe_to_other(arch::Root root) {
    if (tagged())
        cpu_area.data.flush_owed[index(other(root))] = true;
}

} // namespace

void make_root_page(base::CpuId cpu, base::Mfn page) {
    root_pages[cpu.raw()].emplace().begin(arch::frame_as<std::uint64_t>(page), machine_to_phys_slot());
}

std::uint64_t root_without_pcid(base::CpuId cpu) { return frames_of(cpu).root.raw() << base::kPageShift; }

std::uint64_t root_cr3(base::CpuId cpu, arch::Root root) {
    auto const page = frames_of(cpu).root.raw() << base::kPageShift;
    return features().pcid ? page | pcid(root) : page;
}

} // namespace x86

namespace arch {

using namespace x86;

void install_root(Root root, base::Mfn shadow) {
    auto& page = page_of(this_cpu());
    base::LockGuard const guard{page.lock};
    page.install(root, shadow);
    cpu_area.data.flush_owed[index(root)] = true;
}

void show_machine_to_phys(MachineToPhys which) {
    auto& page = page_of(this_cpu());
    base::LockGuard const guard{page.lock};
    page.show(which == MachineToPhys::machine ? machine_to_phys_slot() : identity_slot());
    cpu_area.data.flush_owed[index(Root::kernel)] = true;
}

base::Mfn identity_table_frame(std::uint64_t index) { return identity_frame(index); }

void use_root(Root root) {
    auto& data = cpu_area.data;
    bool& owed = data.flush_owed[index(root)];
    if (data.root == root && !owed)
        return;
    bool kept = !owed;
    if (data.root != root) {
        auto& page = page_of(this_cpu());
        base::LockGuard const guard{page.lock};
        bool const nothing_wrong = page.turn();
        data.root = root;
        if (!tagged())
            kept &= nothing_wrong;
    }
    owed = false;
    if (tagged())
        write_cr3(cpu_area.entry.cr3[index(root)] | (kept ? kCr3NoFlush : 0));
    else if (!kept)
        write_cr3(cpu_area.entry.cr3[index(root)]);
}

bool reveal(base::Vaddr address) {
    auto const slot = base::table_index(address, 4);
    auto& page = page_of(this_cpu());
    if (!page.may_reveal(slot))
        return false;
    base::LockGuard const guard{page.lock};
    auto const done = page.reveal(slot);
    if (done == Reveal::shown_after_flush)
        write_cr3(cpu_area.entry.cr3[index(cpu_area.data.root)]);
    return done != Reveal::nothing;
}

void patch_root(base::CpuId cpu, Root root, base::Mfn shadow, unsigned slot, std::uint64_t entry) {
    ASSERT(slot < kLowSlots || (slot >= kFirstHigh && slot < base::kTableEntries));
    auto& page = page_of(cpu);
    base::LockGuard const guard{page.lock};
    page.patch(root, shadow, slot, entry);
}

void flush_tlb() {
    auto const root = cpu_area.data.root;
    owe_to_other(root);
    cpu_area.data.flush_owed[index(root)] = false;
    write_cr3(cpu_area.entry.cr3[index(root)]);
}

void flush_page(base::Vaddr address) {
    if (!base::canonical(address))
        return; // nothing is cached for it, and INVPCID faults (SDM vol. 2)
    auto const root = cpu_area.data.root;
    invlpg(address);
    if (features().invpcid)
        invpcid_address(pcid(other(root)), address);
    else
        owe_to_other(root);
}

} // namespace arch
