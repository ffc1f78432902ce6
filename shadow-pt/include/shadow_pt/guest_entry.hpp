/// A page-table entry as a guest writes it (SDM vol. 3A §4.5.4), and which ones are accepted (docs/abi.md §2.4).
///
/// Read once from the guest's memory into a value of this type, and judged by that value alone (SP-7).
#pragma once

#include <cstdint>

#include "base/frame.hpp"

namespace shadow_pt {

/// The bits of an entry that the hardware knows, the guest's and the shadow's alike.
namespace pte {
inline constexpr std::uint64_t kPresent = 1 << 0;
inline constexpr std::uint64_t kWrite = 1 << 1;
inline constexpr std::uint64_t kUser = 1 << 2;
inline constexpr std::uint64_t kWriteThrough = 1 << 3;
inline constexpr std::uint64_t kCacheDisable = 1 << 4;
inline constexpr std::uint64_t kAccessed = 1 << 5;
inline constexpr std::uint64_t kDirty = 1 << 6;
inline constexpr std::uint64_t kPat = 1 << 7;       ///< in an L1 entry
inline constexpr std::uint64_t kSuperpage = 1 << 7; ///< above
inline constexpr std::uint64_t kGlobal = 1 << 8;
inline constexpr std::uint64_t kNoExecute = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kCaching = kWriteThrough | kCacheDisable | kPat;
inline constexpr std::uint64_t kFrame = 0x000f'ffff'ffff'f000;
} // namespace pte

/// What the entries of a domain may say.
struct EntryRules {
    unsigned address_bits = 44;      ///< width of its physical addresses (SP-24)
    bool may_choose_caching = false; ///< PWT, PCD and PAT in L1 entries: domains with devices
};

class GuestEntry {
  public:
    constexpr GuestEntry() = default;
    constexpr explicit GuestEntry(std::uint64_t raw) : raw_{raw} {}

    [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }
    [[nodiscard]] constexpr bool present() const { return (raw_ & pte::kPresent) != 0; }
    [[nodiscard]] constexpr bool writable() const { return (raw_ & pte::kWrite) != 0; }
    [[nodiscard]] constexpr bool accessed() const { return (raw_ & pte::kAccessed) != 0; }
    [[nodiscard]] constexpr bool dirty() const { return (raw_ & pte::kDirty) != 0; }
    [[nodiscard]] constexpr base::Gfn frame() const { return base::Gfn{(raw_ & pte::kFrame) >> base::kPageShift}; }
    constexpr bool operator==(GuestEntry const&) const = default;

    [[nodiscard]] constexpr GuestEntry with(std::uint64_t bits) const { return GuestEntry{raw_ | bits}; }
    [[nodiscard]] constexpr GuestEntry with_frame(base::Gfn frame) const {
        return GuestEntry{(raw_ & ~pte::kFrame) | (frame.raw() << base::kPageShift & pte::kFrame)};
    }

    /// True if a present entry of @p level says nothing that a domain with @p rules may not say. Bits 9..11 and 52..62
    /// are the guest's own at every level; G is accepted in L1 entries, and means nothing.
    [[nodiscard]] constexpr bool acceptable(unsigned level, EntryRules const& rules) const {
        std::uint64_t refused = pte::kFrame & ~((std::uint64_t{1} << rules.address_bits) - 1);
        if (level > 1)
            refused |= pte::kSuperpage | pte::kGlobal | pte::kWriteThrough | pte::kCacheDisable;
        else if (!rules.may_choose_caching)
            refused |= pte::kCaching;
        return (raw_ & refused) == 0;
    }

  private:
    std::uint64_t raw_ = 0;
};

/// L4 slots that belong to the hypervisor, whatever a guest's L4 holds there (SP-13).
inline constexpr unsigned kFirstHypervisorSlot = 256;
inline constexpr unsigned kEndHypervisorSlot = 272;
constexpr bool hypervisor_slot(unsigned level, unsigned index) {
    return level == 4 && index >= kFirstHypervisorSlot && index < kEndHypervisorSlot;
}

/// What a page fault's error code says (SDM vol. 3A §4.7).
namespace fault {
inline constexpr std::uint32_t kProtection = 1 << 0; ///< set: the page was present
inline constexpr std::uint32_t kWrite = 1 << 1;
inline constexpr std::uint32_t kUser = 1 << 2;
inline constexpr std::uint32_t kReserved = 1 << 3;
inline constexpr std::uint32_t kFetch = 1 << 4;
} // namespace fault

} // namespace shadow_pt
