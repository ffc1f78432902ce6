/// What a CPU's root page shows: the root of the mode that the guest is in, and of that only what is used. A change of root, or of
/// mode, writes only slots that have been used lately (docs/decisions/0006):
///
///   each slot    is shown from its first fault on, and stays among the used ones whatever root comes: of 496 a Linux and its
///                programs use a dozen
///   low slots    both roots have them; Linux's are the same in both, and what differs is listed
///   high slots   are kernel mode's alone. User mode sees such a slot from a fault until it leaves
///
/// Entering the kernel then only adds entries, and what was absent is never cached (SDM vol. 3A §4.10.2.3, §4.10.4.3).
/// Here it is decided what the page shows and whether something cached became wrong; who flushes is roots.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "arch/cpu.hpp"
#include "base/frame.hpp"
#include "base/lock.hpp"
#include "x86/address_map.hpp"
#include "x86/page_tables.hpp"

namespace x86 {

inline constexpr unsigned kLowSlots = kFirstHypervisorSlot;                     ///< the guest's, below ours
inline constexpr unsigned kFirstHigh = kFirstHypervisorSlot + kHypervisorSlots; ///< the guest's, from here on

constexpr unsigned index(arch::Root root) { return static_cast<unsigned>(root); }
constexpr arch::Root other(arch::Root root) {
    return root == arch::Root::kernel ? arch::Root::user : arch::Root::kernel;
}

/// True if what a CPU may have cached by @p old is right by @p entry, too.
constexpr bool outlives(std::uint64_t old, std::uint64_t entry) {
    return (old & kPresent) == 0 || ((old ^ entry) & ~kAccessed) == 0;
}

/// What RootPage::reveal() did.
enum class Reveal : std::uint8_t {
    nothing,           ///< the slot is shown already, or there is nothing in it
    shown,             ///< the guest may try again
    shown_after_flush, ///< ... once the TLB has been flushed: others had to go
};

/// The slots of one half that may be present in a root page.
class UsedSlots {
  public:
    static constexpr std::size_t kMost = 24;

    [[nodiscard]] auto begin() const { return slots_.begin(); }
    [[nodiscard]] auto end() const { return slots_.begin() + count_; }
    [[nodiscard]] bool full() const { return count_ == kMost; }
    [[nodiscard]] bool contains(unsigned slot) const { return std::find(begin(), end(), slot) != end(); }
    void add(unsigned slot) { slots_[count_++] = static_cast<std::uint16_t>(slot); }
    void clear() { count_ = 0; }

  private:
    std::array<std::uint16_t, kMost> slots_{};
    unsigned count_ = 0;
};

/// A CPU's root page, and the two shadows that it can show. The lock makes copying a shadow and patching it one after the
/// other: a patcher changes the shadow first, so whichever comes second has the new entry.
class RootPage {
  public:
    base::SpinLock<base::LockRank::roots> lock;

    /// @p page becomes the root page, which shows kernel mode's root of no guest. @p machine_to_phys: what it has in
    /// slot 256 for kernel mode.
    void begin(std::uint64_t* page, std::uint64_t machine_to_phys) {
        page_ = page;
        machine_to_phys_ = machine_to_phys;
        store(kMachineToPhysSlot, machine_to_phys_);
    }

    /// Kernel mode has @p machine_to_phys in slot 256 from now on: if it is shown, all that was cached is to be flushed.
    void show(std::uint64_t machine_to_phys) {
        machine_to_phys_ = machine_to_phys;
        if (shown_ == arch::Root::kernel)
            store(kMachineToPhysSlot, machine_to_phys_);
    }

    /// @p shadow is what @p root shows from now on: if it is shown, all that was cached of it is to be flushed.
    void install(arch::Root root, base::Mfn shadow) {
        shadows_[index(root)] = shadow;
        compared_ = false;
        if (shown_ != root)
            return;
        for (auto const slot : low_)
            store(slot, entry_of(shown_, slot));
        for (auto const slot : high_)
            store(slot, high_entry(slot));
    }

    /// Shows the other root. True if nothing that may be cached became wrong by that.
    bool turn() {
        shown_ = other(shown_);
        // User mode loses sight of the machine-to-phys table.
        bool kept = store(kMachineToPhysSlot, shown_ == arch::Root::kernel ? machine_to_phys_ : 0);
        for (auto const slot : high_)
            kept &= store(slot, high_entry(slot));
        if (!compared_)
            compare();
        for (auto const& difference : std::span{differences_}.first(difference_count_))
            kept &= store(difference.slot, difference.entries[index(shown_)]);
        return kept;
    }

    /// False: reveal() would have nothing to do. Needs no lock.
    [[nodiscard]] bool may_reveal(unsigned slot) const {
        return (slot < kLowSlots || slot >= kFirstHigh) && __atomic_load_n(page_ + slot, __ATOMIC_RELAXED) == 0;
    }

    /// Shows a slot that is used for the first time.
    Reveal reveal(unsigned slot) {
        auto const entry = may_reveal(slot) ? entry_of(shown_, slot) : 0;
        if ((entry & kPresent) == 0)
            return Reveal::nothing;
        auto answer = Reveal::shown;
        auto& used = slot < kLowSlots ? low_ : high_;
        if (!used.contains(slot)) {
            if (used.full()) {
                for (auto const one : used)
                    store(one, 0);
                used.clear();
                answer = Reveal::shown_after_flush;
            }
            used.add(slot);
            compared_ = false;
        }
        store(slot, entry);
        return answer;
    }

    /// Slot @p slot of @p shadow has become @p entry.
    void patch(arch::Root root, base::Mfn shadow, unsigned slot, std::uint64_t entry) {
        if (shadows_[index(root)] != shadow)
            return;
        if (slot < kLowSlots)
            compared_ = false;
        if (shown_ == root && page_[slot] != 0)
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

    /// Lists the used low slots in which the roots differ.
    void compare() {
        difference_count_ = 0;
        for (auto const slot : low_) {
            std::array<std::uint64_t, 2> const entries{entry_of(arch::Root{0}, slot), entry_of(arch::Root{1}, slot)};
            if (entries[0] != entries[1])
                differences_[difference_count_++] = {slot, entries};
        }
        compared_ = true;
    }

    std::uint64_t* page_ = nullptr;
    std::uint64_t machine_to_phys_ = 0;
    std::array<base::Mfn, 2> shadows_; ///< index: arch::Root
    arch::Root shown_ = arch::Root::kernel;
    UsedSlots low_;
    UsedSlots high_;

    bool compared_ = false; ///< the next two hold
    unsigned difference_count_ = 0;
    std::array<Difference, UsedSlots::kMost> differences_{};
};

} // namespace x86
