/// A TLB for the hypervisor: where the kernel pages are that it wrote last, which are those of the kernel's stacks.
///
/// An entry is what the MMU could have cached: it comes from a walk, and every flush of this CPU drops it. So it may only
/// be used while the CPU counts as *in a guest* (cpu.hpp): then who takes a page away waits until it is used no more.
/// Frames are not held; who writes to one marks it (SP-21).
#pragma once

#include <array>
#include <cstddef>

#include "base/frame.hpp"

namespace domain {

class RecentPages {
  public:
    /// The frame of @p size bytes from @p at, which the kernel may write; invalid if it is not known.
    [[nodiscard]] base::Mfn find(base::Vaddr at, std::size_t size) const {
        Entry const& entry = entries_[index(at)];
        bool const known = entry.page == page_of(at) && at.offset() + size <= base::kPageSize;
        return known ? entry.frame : base::Mfn{};
    }

    void remember(base::Vaddr at, base::Mfn frame) { entries_[index(at)] = {page_of(at), frame}; }

    void forget() { entries_ = {}; }

  private:
    struct Entry {
        std::uint64_t page = ~std::uint64_t{0};
        base::Mfn frame;
    };

    static constexpr std::size_t kEntries = 4;
    static constexpr std::uint64_t page_of(base::Vaddr at) { return at.raw() >> base::kPageShift; }
    static constexpr std::size_t index(base::Vaddr at) { return page_of(at) % kEntries; }

    std::array<Entry, kEntries> entries_{};
};

} // namespace domain
