#include "mm/frame_table.hpp"

namespace mm {

using base::Mfn;

base::Gfn FrameTable::gfn_of(Mfn frame) const {
    auto const gfn = info(frame).gfn.load(std::memory_order_relaxed);
    return gfn == kNoGfn ? base::Gfn{} : base::Gfn{gfn};
}

} // namespace mm
