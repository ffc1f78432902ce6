/// Translation roots, and what must be flushed with them. With PCIDs each root has its own (1: kernel, 2: user), the
/// CR3 loads between them flush nothing, and what is owed to the root that is not in use is paid at its next use.
#include "x86/roots.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "base/lock.hpp"
#include "x86/control.hpp"
#include "x86/cpu_area.hpp"
#include "x86/features.hpp"

namespace x86 {

namespace {

/// Which shadow a root page is a copy of. The lock makes copying it and patching it one after the other: a patcher
/// changes the shadow first, so whichever comes second has the new entry.
struct Installed {
    base::SpinLock<base::LockRank::roots> lock;
    base::Mfn shadow;
};
Installed installed[base::kMaxCpus][2];

constexpr unsigned index(arch::Root root) { return static_cast<unsigned>(root); }
constexpr arch::Root other(arch::Root root) {
    return root == arch::Root::kernel ? arch::Root::user : arch::Root::kernel;
}
constexpr std::uint64_t pcid(arch::Root root) { return index(root) + 1; }

constexpr unsigned kGuestLow = kFirstHypervisorSlot;                     ///< slots below are the guest's
constexpr unsigned kGuestHigh = kFirstHypervisorSlot + kHypervisorSlots; ///< and from here on

std::uint64_t* page_of(base::CpuId cpu, arch::Root root) {
    return arch::frame_as<std::uint64_t>(frames_of(cpu).roots[index(root)]);
}

bool& flush_owed(arch::Root root) { return cpu_area.data.flush_owed[index(root)]; }

} // namespace

std::uint64_t root_without_pcid(base::CpuId cpu) {
    return frames_of(cpu).roots[index(arch::Root::kernel)].raw() << base::kPageShift;
}

std::uint64_t root_cr3(base::CpuId cpu, arch::Root root) {
    auto const page = frames_of(cpu).roots[index(root)].raw() << base::kPageShift;
    return features().pcid ? page | pcid(root) : page;
}

} // namespace x86

namespace arch {

using namespace x86;

void install_root(Root root, base::Mfn shadow) {
    auto* const page = page_of(this_cpu(), root);
    auto& what = installed[this_cpu().raw()][index(root)];
    base::LockGuard const guard{what.lock};
    what.shadow = shadow;
    constexpr auto kLowBytes = kGuestLow * sizeof(std::uint64_t);
    constexpr auto kHighBytes = (base::kTableEntries - kGuestHigh) * sizeof(std::uint64_t);
    if (shadow.valid()) {
        auto const* const from = frame_as<std::uint64_t const>(shadow);
        std::memcpy(page, from, kLowBytes);
        std::memcpy(page + kGuestHigh, from + kGuestHigh, kHighBytes);
    } else {
        std::memset(page, 0, kLowBytes);
        std::memset(page + kGuestHigh, 0, kHighBytes);
    }
    flush_owed(root) = true;
}

void use_root(Root root) {
    auto& data = cpu_area.data;
    if (data.root == root && !flush_owed(root))
        return;
    bool const keep = features().pcid && !flush_owed(root);
    data.root = root;
    flush_owed(root) = false;
    write_cr3(cpu_area.entry.cr3[index(root)] | (keep ? kCr3NoFlush : 0));
}

void patch_root(base::CpuId cpu, Root root, base::Mfn shadow, unsigned slot, std::uint64_t entry) {
    ASSERT(slot < base::kTableEntries && (slot < kGuestLow || slot >= kGuestHigh));
    auto& what = installed[cpu.raw()][index(root)];
    base::LockGuard const guard{what.lock};
    if (what.shadow == shadow)
        __atomic_store_n(page_of(cpu, root) + slot, entry, __ATOMIC_RELAXED); // the MMU may be reading it
}

void flush_tlb() {
    auto const root = cpu_area.data.root;
    flush_owed(other(root)) = true;
    flush_owed(root) = false;
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
        flush_owed(other(root)) = true;
}

} // namespace arch
