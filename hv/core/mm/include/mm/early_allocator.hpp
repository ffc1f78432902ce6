/// Memory before there is a frame table: runs cut out of the machine's RAM.
///
///     EarlyAllocator early;
///     early.add(ram);                       // each RAM range of the memory map
///     early.reserve(image);                 // what is in use already: the hypervisor, boot modules, tables
///     Mfn table = TRY(early.allocate(n));   // as often as needed
///     early.for_each_left([&](FrameRange const& range) { frames.add_memory(range.first, range.count); });
///
/// Knows numbers only; touches no byte.
#pragma once

#include <cstdint>

#include "base/fixed_vector.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"

namespace mm {

/// @p count frames from @p first.
struct FrameRange {
    base::Mfn first;
    std::uint64_t count = 0;

    [[nodiscard]] constexpr base::Mfn end() const { return first + count; }
};

class EarlyAllocator {
  public:
    /// How many separate ranges can be known at once: firmware maps have a few dozen.
    static constexpr std::size_t kMaxRanges = 256;

    /// Adds RAM, all of it before the first reserve(); later only what allocate() gave. What overlaps is there once.
    /// `no_space` if there are too many ranges: then some memory is left unused.
    [[nodiscard]] base::Status add(FrameRange const& range);
    /// Takes @p range out, wherever it overlaps. `no_space`: the rest of a range that it cut in two was dropped.
    [[nodiscard]] base::Status reserve(FrameRange const& range);

    /// @p count consecutive frames, aligned to @p alignment frames (a power of two), below frame @p below; the highest
    /// that fit, so that low memory stays for who needs it.
    [[nodiscard]] base::Result<base::Mfn> allocate(std::uint64_t count, std::uint64_t alignment = 1,
                                                   base::Mfn below = base::Mfn{});

    /// Calls @p visit(FrameRange) for all that is left.
    template <typename Visit> void for_each_left(Visit&& visit) const {
        for (FrameRange const& range : ranges_)
            if (range.count != 0)
                visit(range);
    }
    [[nodiscard]] std::uint64_t frames_left() const;
    /// One past the highest frame ever added: how long the frame table must be.
    [[nodiscard]] base::Mfn end() const { return end_; }

  private:
    [[nodiscard]] base::Status insert(FrameRange const& range);

    base::FixedVector<FrameRange, kMaxRanges> ranges_; ///< disjoint, in no order; an empty one is free to be reused
    base::Mfn end_{0};
};

} // namespace mm
