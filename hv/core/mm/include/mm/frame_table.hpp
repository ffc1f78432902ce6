/// The frame table: one FrameInfo for each machine frame, and the counting of references.
///
/// References, not scans, decide when a frame may be freed (SP-2): entries, grants, registrations and base pointers
/// each hold one. Whoever drops the last hands the frame to the frame allocator, on the spot.
///
///     FrameRef const frame = TRY(frames.take(mfn, domain));   // it is the domain's, and stays so
///     ...                                                     // given back at the end of the scope
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "base/frame.hpp"
#include "base/number.hpp"
#include "base/result.hpp"
#include "mm/frame_info.hpp"

namespace mm {

class FrameTable;

/// One reference to a frame; moves only. Empty after a move and after release().
class [[nodiscard]] FrameRef {
  public:
    FrameRef() = default;
    /// Takes over a reference that was counted already.
    static FrameRef adopt(FrameTable& table, base::Mfn frame) { return FrameRef{table, frame}; }

    FrameRef(FrameRef&& other) noexcept : table_{std::exchange(other.table_, nullptr)}, frame_{other.frame_} {}
    FrameRef& operator=(FrameRef&& other) noexcept {
        if (this != &other) {
            reset();
            table_ = std::exchange(other.table_, nullptr);
            frame_ = other.frame_;
        }
        return *this;
    }
    ~FrameRef() { reset(); }

    explicit operator bool() const { return table_ != nullptr; }
    [[nodiscard]] base::Mfn mfn() const {
        ASSERT(table_ != nullptr);
        return frame_;
    }
    [[nodiscard]] FrameInfo& info() const;

    /// Gives the reference back now.
    void reset();
    /// Keeps the reference beyond this object: an entry, a grant, a registration holds it from now on.
    base::Mfn release() {
        ASSERT(table_ != nullptr);
        table_ = nullptr;
        return frame_;
    }

  private:
    FrameRef(FrameTable& table, base::Mfn frame) : table_{&table}, frame_{frame} {}

    FrameTable* table_ = nullptr;
    base::Mfn frame_;
};

class FrameTable {
  public:
    /// Called with the frame whose last reference went, by the CPU that dropped it; its owner still stands in its
    /// info. No lock of rank `frames` or above may be held.
    using LastDrop = void (*)(void* context, base::Mfn frame);

    /// @p frames: index is the frame number, each value-initialised; must outlive the table.
    explicit FrameTable(std::span<FrameInfo> frames) : frames_{frames} { ASSERT(frames.size() <= kMaxFrames); }
    FrameTable(FrameTable const&) = delete;
    FrameTable& operator=(FrameTable const&) = delete;

    void on_last_drop(LastDrop call, void* context) {
        last_drop_ = call;
        last_drop_context_ = context;
    }

    [[nodiscard]] std::uint64_t size() const { return frames_.size(); }
    /// The frame has an info. It need not be RAM: what is not has never a reference.
    [[nodiscard]] bool valid(base::Mfn frame) const { return frame.raw() < frames_.size(); }
    [[nodiscard]] FrameInfo& info(base::Mfn frame) {
        ASSERT(valid(frame));
        return frames_[frame.raw()];
    }
    [[nodiscard]] FrameInfo const& info(base::Mfn frame) const {
        ASSERT(valid(frame));
        return frames_[frame.raw()];
    }

    /// A reference to @p frame if it is @p owner's now; `not_found` if it is not. Any number may be asked for.
    [[nodiscard]] base::Result<FrameRef> take(base::Mfn frame, base::DomId owner);
    /// The same whoever owns it; `not_found` if it is free or not RAM.
    [[nodiscard]] base::Result<FrameRef> take_any(base::Mfn frame);

    /// One more reference, `not_found` if there is none yet, `invalid` at the limit: it never wraps (SP-1).
    [[nodiscard]] base::Status take_reference(base::Mfn frame);
    /// The other side of take_reference() and of FrameRef::release().
    void drop_reference(base::Mfn frame);

    /// The number by which the owner knows @p frame; invalid if it is in no gfn map. The caller holds a reference.
    [[nodiscard]] base::Gfn gfn_of(base::Mfn frame) const;

  private:
    std::span<FrameInfo> frames_;
    LastDrop last_drop_ = nullptr;
    void* last_drop_context_ = nullptr;
};

// In the header: each change of an entry of a page table takes and drops references.

inline base::Status FrameTable::take_reference(base::Mfn frame) {
    if (!valid(frame))
        return base::Err{base::Error::not_found};
    auto& references = info(frame).references;
    auto count = references.load(std::memory_order_relaxed);
    do {
        if (count == 0)
            return base::Err{base::Error::not_found};
        if (count == std::numeric_limits<std::uint32_t>::max())
            return base::Err{base::Error::invalid};
        // Acquire meets the release by which the allocator hands a frame out: its owner and flags are seen here.
    } while (!references.compare_exchange_weak(count, count + 1, std::memory_order_acquire, std::memory_order_relaxed));
    return {};
}

inline void FrameTable::drop_reference(base::Mfn frame) {
    // Release and acquire: what other holders did with the frame is done before it is freed.
    auto const before = info(frame).references.fetch_sub(1, std::memory_order_acq_rel);
    ASSERT(before != 0);
    if (before != 1)
        return;
    ASSERT(last_drop_ != nullptr);
    last_drop_(last_drop_context_, frame);
}

inline base::Result<FrameRef> FrameTable::take_any(base::Mfn frame) {
    TRY(take_reference(frame));
    return FrameRef::adopt(*this, frame);
}

inline base::Result<FrameRef> FrameTable::take(base::Mfn frame, base::DomId owner) {
    auto reference = TRY(take_any(frame));
    // With the reference the owner cannot change any more; without it, it could have.
    if (reference.info().owner_id() != owner)
        return base::Err{base::Error::not_found};
    return reference;
}

inline FrameInfo& FrameRef::info() const {
    ASSERT(table_ != nullptr);
    return table_->info(frame_);
}

inline void FrameRef::reset() {
    if (table_ != nullptr)
        std::exchange(table_, nullptr)->drop_reference(frame_);
}

} // namespace mm
