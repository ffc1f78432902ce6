/// Page frame numbers and addresses, one type for each number space.
///
///   Mfn, Maddr   machine frame / address: what the MMU and DMA use; made by the frame allocator
///   Gfn          what a guest writes into page tables, grants and hypercalls as a "machine frame"
///   Pfn          the guest's own pseudo-physical number, dense from 0
///   Vaddr        a virtual address, the guest's or the hypervisor's
///
/// Gfn -> Mfn happens in one place, the domain's gfn map, which checks ownership and takes a reference.
#pragma once

#include <compare>
#include <cstdint>

namespace base {

inline constexpr unsigned kPageShift = 12;
inline constexpr std::uint64_t kPageSize = std::uint64_t{1} << kPageShift;
inline constexpr std::uint64_t kPageMask = kPageSize - 1;
inline constexpr unsigned kTableEntries = 512; ///< entries of a page table, at every level

/// A page frame number. Add a count, subtract two, compare: and nothing else.
template <typename Tag> class FrameNumber {
  public:
    constexpr FrameNumber() = default;
    constexpr explicit FrameNumber(std::uint64_t raw) : raw_{raw} {}

    [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }
    [[nodiscard]] constexpr bool valid() const { return raw_ != kInvalid; }

    constexpr auto operator<=>(FrameNumber const&) const = default;
    constexpr FrameNumber operator+(std::uint64_t count) const { return FrameNumber{raw_ + count}; }
    constexpr std::uint64_t operator-(FrameNumber first) const { return raw_ - first.raw_; }
    constexpr FrameNumber& operator++() {
        ++raw_;
        return *this;
    }

  private:
    static constexpr std::uint64_t kInvalid = ~std::uint64_t{0};
    std::uint64_t raw_ = kInvalid;
};

using Mfn = FrameNumber<struct MfnTag>;
using Gfn = FrameNumber<struct GfnTag>;
using Pfn = FrameNumber<struct PfnTag>;

/// A byte address in one address space.
template <typename Tag> class Address {
  public:
    constexpr Address() = default;
    constexpr explicit Address(std::uint64_t raw) : raw_{raw} {}

    [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }
    [[nodiscard]] constexpr std::uint64_t offset() const { return raw_ & kPageMask; }
    [[nodiscard]] constexpr Address page() const { return Address{raw_ & ~kPageMask}; }

    constexpr auto operator<=>(Address const&) const = default;
    constexpr Address operator+(std::uint64_t count) const { return Address{raw_ + count}; }
    constexpr std::uint64_t operator-(Address first) const { return raw_ - first.raw_; }

  private:
    std::uint64_t raw_ = 0;
};

using Maddr = Address<struct MaddrTag>;
using Vaddr = Address<struct VaddrTag>;
using Gaddr = Address<struct GaddrTag>; ///< Gfn << 12 | offset: a guest's "machine address"

constexpr Mfn frame_of(Maddr address) { return Mfn{address.raw() >> kPageShift}; }
constexpr Gfn frame_of(Gaddr address) { return Gfn{address.raw() >> kPageShift}; }
constexpr Maddr address_of(Mfn frame) { return Maddr{frame.raw() << kPageShift}; }
constexpr Gaddr address_of(Gfn frame) { return Gaddr{frame.raw() << kPageShift}; }

/// Frames needed to hold @p bytes.
constexpr std::uint64_t frames_for(std::uint64_t bytes) { return (bytes + kPageMask) >> kPageShift; }

/// True if bits 63..47 of @p address agree (SDM vol. 1 §3.3.7.1).
constexpr bool canonical(Vaddr address) {
    auto const top = static_cast<std::int64_t>(address.raw()) >> 47;
    return top == 0 || top == -1;
}

/// Which of the 512 entries of a table of @p level (1..4) translates @p address.
constexpr unsigned table_index(Vaddr address, unsigned level) {
    return static_cast<unsigned>(address.raw() >> (kPageShift + 9 * (level - 1))) & (kTableEntries - 1);
}

} // namespace base
