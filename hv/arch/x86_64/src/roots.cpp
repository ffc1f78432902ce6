/// Translation roots, and what must be flushed with them. A CPU has one root page, which shows the root of the mode that
/// the guest is in. A change of mode writes only the slots in which the page then differs:
///
///   low slots    both roots have them all; Linux's are the same in both, and what differs is listed
///   high slots   shown to kernel mode alone, and each from its first fault on: of the hundreds that a kernel has, it
///                uses a few. User mode sees such a slot from a fault until it leaves
///
/// Without PCIDs this spares half of the flushes: entering the kernel only adds entries, and what was absent is never
/// cached (SDM vol. 3A §4.10.2.3, §4.10.4.3). Going back takes them away, and flushes. With PCIDs each root has its own
/// (1: kernel, 2: user), the CR3 loads between them flush nothing, and what is owed to the root that is not in use is
/// paid at its next use.
#include "x86/roots.hpp"

#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "base/assert.hpp"
#include "base/lock.hpp"
#include "x86/address_space.hpp"
#include "x86/control.hpp"
#include "x86/cpu_area.hpp"
#include "x86/features.hpp"

namespace x86 {

namespace {

constexpr std::uint64_t kPresent = 1U << 0;
constexpr std::uint64_t kAccessed = 1U << 5;

constexpr unsigned kLowSlots = kFirstHypervisorSlot;                     ///< the guest's, below ours
constexpr unsigned kFirstHigh = kFirstHypervisorSlot + kHypervisorSlots; ///< the guest's, from here on
constexpr std::size_t kLowBytes = kLowSlots * sizeof(std::uint64_t);

constexpr unsigned index(arch::Root root) { return static_cast<unsigned>(root); }
constexpr arch::Root other(arch::Root root) {
    return root == arch::Root::kernel ? arch::Root::user : arch::Root::kernel;
}
constexpr std::uint64_t pcid(arch::Root root) { return index(root) + 1; }

/// True if what a CPU may have cached by @p old is right by @p entry, too.
constexpr bool outlives(std::uint64_t old, std::uint64_t entry) {
    return (old & kPresent) == 0 || ((old ^ entry) & ~kAccessed) == 0;
}

/// A CPU's root page, and the two shadows that it can show. The lock makes copying a shadow and patching it one after the
/// other: a patcher changes the shadow first, so whichever comes second has the new entry.
class RootPage {
  public:
    base::SpinLock<base::LockRank::roots> lock;

    /// @p page: @p cpu's root page, which shows a kernel's root of no guest.
    void begin(std::uint64_t* page) {
        page_ = page;
        machine_to_phys_ = machine_to_phys_slot();
        store(kMachineToPhysSlot, machine_to_phys_);
    }

    void install(arch::Root root, base::Mfn shadow) {
        shadows_[index(root)] = shadow;
        compared_ = false;
        if (shown_ != root)
            return;
        if (shadow.valid())
            std::memcpy(page_, arch::frame_as<std::uint64_t const>(shadow), kLowBytes);
        else
            std::memset(page_, 0, kLowBytes);
        for (auto const slot : used())
            store(slot, high_entry(slot));
    }

    /// Shows the other root. True if nothing that may be cached became wrong by that.
    bool turn() {
        shown_ = other(shown_);
        // User mode loses sight of the machine-to-phys table.
        bool kept = store(kMachineToPhysSlot, shown_ == arch::Root::kernel ? machine_to_phys_ : 0);
        for (auto const slot : used())
            kept &= store(slot, high_entry(slot));
        if (!compared_)
            compare();
        for (auto const& difference : std::span{differences_}.first(difference_count_))
            kept &= store(difference.slot, difference.entries[index(shown_)]);
        for (unsigned slot = unlisted_; slot < kLowSlots; ++slot)
            kept &= store(slot, entry_of(shown_, slot));
        return kept;
    }

    /// Shows a high slot that is used for the first time. False: it is shown already, or there is nothing.
    bool reveal(unsigned slot) {
        auto const entry = entry_of(shown_, slot);
        if (slot < kFirstHigh || page_[slot] != 0 || (entry & kPresent) == 0)
            return false;
        if (used_count_ == used_.size())
            forget();
        used_[used_count_++] = static_cast<std::uint16_t>(slot);
        store(slot, entry);
        return true;
    }

    void patch(arch::Root root, base::Mfn shadow, unsigned slot, std::uint64_t entry) {
        if (shadows_[index(root)] != shadow)
            return;
        if (slot < kLowSlots)
            compared_ = false;
        if (shown_ == root && (slot < kLowSlots || page_[slot] != 0))
            store(slot, entry);
    }

  private:
    struct Difference {
        unsigned slot;
        std::array<std::uint64_t, 2> entries; ///< index: arch::Root
    };

    /// True if nothing that may be cached became wrong by it. The MMU may be reading the entry.
    bool store(unsigned slot, std::uint64_t entry) {
        bool const kept = outlives(page_[slot], entry);
        __atomic_store_n(page_ + slot, entry, __ATOMIC_RELAXED);
        return kept;
    }

    [[nodiscard]] std::uint64_t entry_of(arch::Root root, unsigned slot) const {
        auto const shadow = shadows_[index(root)];
        return shadow.valid() ? __atomic_load_n(arch::frame_as<std::uint64_t const>(shadow) + slot, __ATOMIC_RELAXED)
                              : 0;
    }

    /// What a used high slot shows after a change.
    [[nodiscard]] std::uint64_t high_entry(unsigned slot) const {
        return shown_ == arch::Root::kernel ? entry_of(shown_, slot) : 0;
    }

    [[nodiscard]] std::span<std::uint16_t const> used() const { return std::span{used_}.first(used_count_); }

    /// Starts over with the used slots.
    void forget() {
        for (auto const slot : used())
            store(slot, 0);
        used_count_ = 0;
        cpu_area.data.flush_owed[index(shown_)] = true;
    }

    void compare() {
        difference_count_ = 0;
        unlisted_ = 0;
        for (; unlisted_ < kLowSlots; ++unlisted_) {
            std::array<std::uint64_t, 2> const entries{entry_of(arch::Root{0}, unlisted_),
                                                       entry_of(arch::Root{1}, unlisted_)};
            if (entries[0] == entries[1])
                continue;
            if (difference_count_ == differences_.size())
                break;
            differences_[difference_count_++] = {unlisted_, entries};
        }
        compared_ = true;
    }

    static constexpr std::size_t kMost = 24;

    std::uint64_t* page_ = nullptr;
    std::uint64_t machine_to_phys_ = 0;
    std::array<base::Mfn, 2> shadows_; ///< index: arch::Root
    arch::Root shown_ = arch::Root::kernel;

    bool compared_ = false; ///< the next three hold
    unsigned unlisted_ = 0; ///< low slots from here on may differ, too
    unsigned difference_count_ = 0;
    std::array<Difference, kMost> differences_{};

    unsigned used_count_ = 0;
    std::array<std::uint16_t, kMost> used_{}; ///< high slots that may be present in the page; no others are
};
RootPage root_pages[base::kMaxCpus];

/// True if the two roots have PCIDs.
bool tagged() { return cpu_area.entry.cr3[0] != cpu_area.entry.cr3[1]; }

/// A flush that the root not in use needs, too; without PCIDs it has nothing of its own.
void owe_to_other(arch::Root root) {
    if (tagged())
        cpu_area.data.flush_owed[index(other(root))] = true;
}

} // namespace

void make_root_page(base::CpuId cpu, base::Mfn page) {
    root_pages[cpu.raw()].begin(arch::frame_as<std::uint64_t>(page));
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
    auto& page = root_pages[this_cpu().raw()];
    base::LockGuard const guard{page.lock};
    page.install(root, shadow);
    cpu_area.data.flush_owed[index(root)] = true;
}

void use_root(Root root) {
    auto& data = cpu_area.data;
    bool& owed = data.flush_owed[index(root)];
    if (data.root == root && !owed)
        return;
    bool kept = !owed;
    if (data.root != root) {
        auto& page = root_pages[this_cpu().raw()];
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
    auto& page = root_pages[this_cpu().raw()];
    base::LockGuard const guard{page.lock};
    if (!page.reveal(base::table_index(address, 4)))
        return false;
    auto const root = cpu_area.data.root;
    if (std::exchange(cpu_area.data.flush_owed[index(root)], false))
        write_cr3(cpu_area.entry.cr3[index(root)]);
    return true;
}

void patch_root(base::CpuId cpu, Root root, base::Mfn shadow, unsigned slot, std::uint64_t entry) {
    ASSERT(slot < kLowSlots || (slot >= kFirstHigh && slot < base::kTableEntries));
    auto& page = root_pages[cpu.raw()];
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
