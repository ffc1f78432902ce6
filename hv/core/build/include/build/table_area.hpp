/// The page tables of one stretch of virtual memory, in consecutive frames: which frame holds which table is
/// arithmetic, so that they can be counted before they are made, and made in any order.
///
///   first ... : [L4] L3s L2s L1s, each level in the order of the addresses that it maps
#pragma once

#include <cstdint>

#include "base/frame.hpp"

namespace build {

class TableArea {
  public:
    enum class Root : bool { elsewhere, first }; ///< is the first frame the L4?

    TableArea() = default;
    /// Tables for [start, last], both inclusive: a stretch may reach the very end of the address space.
    TableArea(base::Pfn first, base::Vaddr start, base::Vaddr last, Root root)
        : first_{first}, start_{start}, last_{last}, root_{root} {}

    /// How many tables of @p level (1..3) the stretch touches.
    [[nodiscard]] std::uint64_t count(unsigned level) const { return index(last_, level) - index(start_, level) + 1; }

    [[nodiscard]] std::uint64_t frames() const { return roots() + count(3) + count(2) + count(1); }

    [[nodiscard]] base::Vaddr start() const { return start_; }
    [[nodiscard]] base::Vaddr last() const { return last_; }
    [[nodiscard]] base::Pfn first() const { return first_; }
    [[nodiscard]] base::Pfn l4() const { return first_; } ///< only with Root::first

    /// The table of @p level (1..3) that translates @p address, which must be within the stretch.
    [[nodiscard]] base::Pfn table(base::Vaddr address, unsigned level) const {
        auto frame = first_ + roots();
        for (unsigned above = 3; above > level; --above)
            frame = frame + count(above);
        return frame + (index(address, level) - index(start_, level));
    }

    /// How many bytes one table of @p level translates.
    static constexpr std::uint64_t span_of(unsigned level) { return std::uint64_t{1} << shift(level); }

  private:
    static constexpr unsigned shift(unsigned level) { return base::kPageShift + 9 * level; }
    static std::uint64_t index(base::Vaddr address, unsigned level) { return address.raw() >> shift(level); }
    [[nodiscard]] std::uint64_t roots() const { return root_ == Root::first ? 1 : 0; }

    base::Pfn first_{0};
    base::Vaddr start_;
    base::Vaddr last_;
    Root root_ = Root::elsewhere;
};

} // namespace build
