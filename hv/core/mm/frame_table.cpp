#include "mm/frame_table.hpp"

#include <limits>

namespace mm {

using base::Err;
using base::Error;
using base::Mfn;

base::Status FrameTable::take_reference(Mfn frame) {
    if (!valid(frame))
        return Err{Error::not_found};
    auto& references = info(frame).references;
    auto count = references.load(std::memory_order_relaxed);
    do {
        if (count == 0)
            return Err{Error::not_found};
        if (count == std::numeric_limits<std::uint32_t>::max())
            return Err{Error::invalid};
        // Acquire meets the release by which the allocator hands a frame out: its owner and flags are seen here.
    } while (!references.compare_exchange_weak(count, count + 1, std::memory_order_acquire, std::memory_order_relaxed));
    return {};
}

void FrameTable::drop_reference(Mfn frame) {
    // Release and acquire: what other holders did with the frame is done before it is freed.
    auto const before = info(frame).references.fetch_sub(1, std::memory_order_acq_rel);
    ASSERT(before != 0);
    if (before != 1)
        return;
    ASSERT(last_drop_ != nullptr);
    last_drop_(last_drop_context_, frame);
}

base::Result<FrameRef> FrameTable::take_any(Mfn frame) {
    TRY(take_reference(frame));
    return FrameRef::adopt(*this, frame);
}

base::Result<FrameRef> FrameTable::take(Mfn frame, base::DomId owner) {
    auto reference = TRY(take_any(frame));
    // With the reference the owner cannot change any more; without it, it could have.
    if (reference.info().owner_id() != owner)
        return Err{Error::not_found};
    return reference;
}

base::Gfn FrameTable::gfn_of(Mfn frame) const {
    auto const gfn = info(frame).gfn.load(std::memory_order_relaxed);
    return gfn == kNoGfn ? base::Gfn{} : base::Gfn{gfn};
}

} // namespace mm
