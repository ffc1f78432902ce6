/// An entry of a shadow table: what the MMU obeys, and what the entry holds.
///
///     63  62..59 58   57   56     55     54          53..52  51..12  11..9  8 7   6 5 4   3   2 1 0
///     NX  0      aged tag  absent hidden guest write kind    frame   0      0 PAT D A PCD PWT U W P
///
/// The bits of the second half of the line are the hardware's; 52..58 it ignores. An entry that is not zero holds its
/// frame, present or not (paging.hpp says how). Nothing that a guest can choose freely stands in an entry, so that
/// an entry that is not present names, too, only a frame that the guest may read.
///
/// G is never set: what a guest maps is flushed with its roots. U is always set below L4; whether the guest's half is
/// a user's at all is decided in L4 entries, by kGuestHalf.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/frame.hpp"
#include "shadow_pt/guest_entry.hpp"
#include "shadow_pt/host.hpp"

namespace shadow_pt {

class ShadowEntry {
  public:
    constexpr ShadowEntry() = default;
    constexpr explicit ShadowEntry(std::uint64_t raw) : raw_{raw} {}

    /// A leaf for @p target as the guest's entry @p guest allows (SP-15, SP-16): hidden until A, read-only until D.
    /// The shadow's own A is set, as the guest's is; its own D starts clear, and collects what a harvest wants.
    static constexpr ShadowEntry leaf(base::Mfn frame, TargetKind kind, GuestEntry guest, bool guest_write) {
        std::uint64_t raw = frame.raw() << base::kPageShift | static_cast<std::uint64_t>(kind) << kKindShift |
                            pte::kUser | pte::kAccessed | (guest.raw() & (pte::kNoExecute | pte::kCaching));
        if (guest_write)
            raw |= kGuestWrite;
        if (!guest.accessed())
            raw |= kHidden;
        else
            raw |= pte::kPresent | (guest_write && guest.dirty() ? pte::kWrite : 0);
        return ShadowEntry{raw};
    }

    /// An upper entry for the child table whose shadow is @p child. Its A starts set: the child may hold D bits from
    /// before it was hooked up here, which a harvest must look at once.
    static constexpr ShadowEntry upper(unsigned level, base::Mfn child, GuestEntry guest) {
        return ShadowEntry{upper_bits(level, child, guest) | (guest.accessed() ? pte::kPresent : kHidden)};
    }
    /// An upper entry for the child table @p child, a guest's, which has no shadow now.
    static constexpr ShadowEntry absent(unsigned level, base::Mfn child, GuestEntry guest) {
        return ShadowEntry{upper_bits(level, child, guest) | kAbsent};
    }

    [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }
    [[nodiscard]] constexpr bool empty() const { return raw_ == 0; }
    [[nodiscard]] constexpr bool present() const { return (raw_ & pte::kPresent) != 0; }
    [[nodiscard]] constexpr bool hidden() const { return (raw_ & kHidden) != 0; }
    [[nodiscard]] constexpr bool is_absent() const { return (raw_ & kAbsent) != 0; }
    [[nodiscard]] constexpr bool writable() const { return (raw_ & pte::kWrite) != 0; }
    [[nodiscard]] constexpr bool executable() const { return (raw_ & pte::kNoExecute) == 0; }
    [[nodiscard]] constexpr bool dirty() const { return (raw_ & pte::kDirty) != 0; }
    /// Of a leaf: the guest may write there, as far as this entry goes; it holds a `writable` use of RAM.
    [[nodiscard]] constexpr bool guest_write() const { return (raw_ & kGuestWrite) != 0; }
    [[nodiscard]] constexpr base::Mfn frame() const { return base::Mfn{(raw_ & pte::kFrame) >> base::kPageShift}; }
    [[nodiscard]] constexpr TargetKind kind() const { return static_cast<TargetKind>(raw_ >> kKindShift & 3); }
    /// The same, but for the permission to write to RAM of the domain's own: the next write faults.
    [[nodiscard]] constexpr ShadowEntry write_protected() const {
        bool const tracked = !empty() && kind() == TargetKind::own;
        return tracked ? ShadowEntry{raw_ & ~std::uint64_t{pte::kWrite | pte::kDirty}} : *this;
    }
    /// Of an upper entry: something was reached through it since a harvest last followed it, or the hand of the clock
    /// that looks for victims last passed (evict.hpp).
    [[nodiscard]] constexpr bool accessed() const { return (raw_ & pte::kAccessed) != 0; }
    /// The hand took its A; for a harvest it counts as set still.
    [[nodiscard]] constexpr bool aged() const { return (raw_ & kAged) != 0; }
    /// Of an upper entry: the last harvest cleared its A, and the next one follows it, whatever A says (SP-19).
    [[nodiscard]] constexpr bool tagged() const { return (raw_ & kTag) != 0; }
    constexpr bool operator==(ShadowEntry const&) const = default;

    /// A leaf that no table but this one knows the right of: it can not be translated again (SP-10).
    [[nodiscard]] constexpr bool lent() const { return !empty() && kind() == TargetKind::foreign; }
    /// A leaf that lets its domain write to RAM of another.
    [[nodiscard]] constexpr bool writes_foreign() const { return kind() == TargetKind::foreign && guest_write(); }
    /// A leaf whose frame has references and a log.
    [[nodiscard]] constexpr bool is_ram() const { return kind() == TargetKind::own || kind() == TargetKind::foreign; }

  private:
    friend class ShadowSlot;
    static constexpr unsigned kKindShift = 52;
    static constexpr std::uint64_t kGuestWrite = std::uint64_t{1} << 54;
    static constexpr std::uint64_t kHidden = std::uint64_t{1} << 55;
    static constexpr std::uint64_t kAbsent = std::uint64_t{1} << 56;
    static constexpr std::uint64_t kTag = std::uint64_t{1} << 57;
    static constexpr std::uint64_t kAged = std::uint64_t{1} << 58;
    /// The one place that says in which ring the guest's half of the address space is seen.
    static constexpr std::uint64_t kGuestHalf = pte::kUser;

    static constexpr std::uint64_t upper_bits(unsigned level, base::Mfn frame, GuestEntry guest) {
        return frame.raw() << base::kPageShift | pte::kAccessed | (level == 4 ? kGuestHalf : pte::kUser) |
               (guest.raw() & (pte::kWrite | pte::kNoExecute));
    }

    std::uint64_t raw_ = 0;
};

/// One slot of a shadow table, which the MMU of any CPU may be reading and setting A and D in.
class ShadowSlot {
  public:
    ShadowSlot(std::uint64_t* table, unsigned index) : word_{table + index} {}

    [[nodiscard]] ShadowEntry load() const {
        return ShadowEntry{std::atomic_ref{*word_}.load(std::memory_order_acquire)};
    }
    /// Sequentially consistent, and so before the stamp that the caller takes next (tlb_clock.hpp).
    [[nodiscard]] ShadowEntry exchange(ShadowEntry fresh) {
        return ShadowEntry{std::atomic_ref{*word_}.exchange(fresh.raw())};
    }

    // What a harvest does to an entry that it goes on holding; processors may set A and D in between.
    void clear_dirty() { std::atomic_ref{*word_}.fetch_and(~std::uint64_t{pte::kDirty}); }
    void turn_accessed_into_tag() {
        std::atomic_ref{*word_}.fetch_and(~(std::uint64_t{pte::kAccessed} | ShadowEntry::kAged));
        std::atomic_ref{*word_}.fetch_or(ShadowEntry::kTag);
    }
    /// What the hand of the clock does: the next time it passes it sees whether anything was reached since.
    void age() {
        std::atomic_ref{*word_}.fetch_or(ShadowEntry::kAged);
        std::atomic_ref{*word_}.fetch_and(~std::uint64_t{pte::kAccessed});
    }
    void clear_tag() { std::atomic_ref{*word_}.fetch_and(~ShadowEntry::kTag); }

  private:
    std::uint64_t* word_;
};

/// One slot of a guest's table. Who changes it holds the table's lock; a device may write it at any moment (SP-7).
class GuestSlot {
  public:
    GuestSlot(std::uint64_t* table, unsigned index) : word_{table + index} {}

    [[nodiscard]] GuestEntry load() const {
        return GuestEntry{std::atomic_ref{*word_}.load(std::memory_order_acquire)};
    }
    void store(GuestEntry entry) { std::atomic_ref{*word_}.store(entry.raw(), std::memory_order_release); }
    /// False if the entry is not @p expected any more.
    [[nodiscard]] bool replace(GuestEntry expected, GuestEntry fresh) {
        auto raw = expected.raw();
        return std::atomic_ref{*word_}.compare_exchange_strong(raw, fresh.raw());
    }

  private:
    std::uint64_t* word_;
};

} // namespace shadow_pt
