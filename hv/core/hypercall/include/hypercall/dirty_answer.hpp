/// What a domain's log says, copied to who asked: for shadow_op and for tern_op.
#pragma once

#include "domain/log_dirty.hpp"
#include "hypercall/call.hpp"

namespace hypercall {

/// Where the bits are to go, of how many frames.
struct DirtyAnswer {
    std::uint64_t first = 0; ///< frame; a multiple of 64
    std::uint64_t pages = 0;
    base::Vaddr dirty{};   ///< a bitmap in the caller's memory; 0: the bits are only counted
    base::Vaddr foreign{}; ///< the same for frames that other domains may write to; 0: nobody asks
    bool clean = false;    ///< they are taken from the log
    bool sparse = false;   ///< the bitmaps are zeroes: only what has a bit set is written

    [[nodiscard]] std::uint64_t words() const { return (pages + logdirty::kWordBits - 1) / logdirty::kWordBits; }
};

/// Goes on where @p subject's LogDirtyProgress says, and counts there. `preempted`: call again. What cannot be delivered stays in the
/// log.
[[nodiscard]] base::Status copy_dirty(Call& call, domain::Domain& subject, DirtyAnswer const& answer);
/// The heat of the regions that @p answer touches, a byte each, to @p to; by the same progress.
[[nodiscard]] base::Status copy_heat(Call& call, domain::Domain& subject, DirtyAnswer const& answer, base::Vaddr to);

} // namespace hypercall
