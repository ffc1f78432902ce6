#include "mm/early_allocator.hpp"

#include <algorithm>

namespace mm {

using base::Err;
using base::Error;
using base::Mfn;

base::Status EarlyAllocator::add(FrameRange const& range) {
    // What is known already leaves first, so that nothing is there twice.
    TRY(reserve(range));
    end_ = std::max(end_, range.end());
    return insert(range);
}

base::Status EarlyAllocator::reserve(FrameRange const& range) {
    bool dropped = false;
    // What is cut off goes into the list as well; it does not overlap any more, and the list does not move.
    for (FrameRange& known : ranges_) {
        FrameRange const whole = known;
        if (whole.end() <= range.first || range.end() <= whole.first)
            continue;
        known.count = whole.first < range.first ? range.first - whole.first : 0;
        if (range.end() < whole.end())
            dropped |= !insert({range.end(), whole.end() - range.end()}).ok();
    }
    return dropped ? base::Status{Err{Error::no_space}} : base::Status{};
}

base::Status EarlyAllocator::insert(FrameRange const& range) {
    for (FrameRange& known : ranges_)
        if (known.count == 0) {
            known = range;
            return {};
        }
    return ranges_.push_back(range) ? base::Status{} : base::Status{Err{Error::no_space}};
}

base::Result<Mfn> EarlyAllocator::allocate(std::uint64_t count, std::uint64_t alignment, Mfn below) {
    ASSERT(alignment != 0 && (alignment & (alignment - 1)) == 0);
    if (count == 0)
        return Err{Error::invalid};
    Mfn best;
    for (FrameRange const& range : ranges_) {
        Mfn const end = std::min(range.end(), below);
        if (end <= range.first || end - range.first < count)
            continue;
        Mfn const candidate{(end.raw() - count) & ~(alignment - 1)};
        if (candidate >= range.first && (!best.valid() || candidate > best))
            best = candidate;
    }
    if (!best.valid())
        return Err{Error::no_memory};
    // A rest for which there is no room in the list stays unused.
    static_cast<void>(reserve({best, count}));
    return best;
}

std::uint64_t EarlyAllocator::frames_left() const {
    std::uint64_t left = 0;
    for (FrameRange const& range : ranges_)
        left += range.count;
    return left;
}

} // namespace mm
