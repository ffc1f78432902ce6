/// What tables that are none any more have left, and is still to be given back (SP-9): shadows whose tables have left them, and
/// bare tables whose last use is gone.
///
/// Any CPU may take one and do it. It counts as outstanding until that is done, so that an operation which finds nothing in the
/// lists still knows whether another CPU has something in hand.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/frame.hpp"
#include "base/lock.hpp"
#include "shadow_pt/shadow_page.hpp"

namespace shadow_pt {

class RemainsList {
  public:
    /// Adds @p shadow, whose page is @p page.
    void push(base::Mfn shadow, ShadowPage page) {
        outstanding_.fetch_add(1, std::memory_order_relaxed);
        first_.with([&](First& first) {
            page.set_next(first.shadow);
            first.shadow = shadow;
        });
    }
    /// Adds the bare @p table, which is locked, and a use of it that is to be given back.
    void push_bare(base::Mfn table, FrameState& frame) {
        outstanding_.fetch_add(1, std::memory_order_relaxed);
        first_.with([&](First& first) {
            frame.enqueue(first.bare);
            first.bare = table;
        });
    }

    /// Takes a shadow out; invalid if there is none. @p page_of(Mfn) gives its ShadowPage.
    template <typename PageOf> [[nodiscard]] base::Mfn take(PageOf&& page_of) {
        return first_.with([&](First& first) {
            auto const taken = first.shadow;
            if (taken.valid())
                first.shadow = page_of(taken).next();
            return taken;
        });
    }
    /// The bare table that was added last, to be locked and then taken out; invalid if there is none.
    [[nodiscard]] base::Mfn last_bare() {
        return first_.with([](First const& first) { return first.bare; });
    }
    /// False if it is not the last one any more. REQUIRES: its lock is held.
    [[nodiscard]] bool take_bare(base::Mfn table, FrameState& frame) {
        return first_.with([&](First& first) {
            if (first.bare != table)
                return false;
            first.bare = frame.dequeue();
            return true;
        });
    }
    /// What was taken is given back. Release: who then sees none outstanding sees all that was given back.
    void finished() { outstanding_.fetch_sub(1, std::memory_order_release); }

    [[nodiscard]] bool none() const { return outstanding_.load(std::memory_order_acquire) == 0; }

  private:
    struct First {
        base::Mfn shadow, bare;
    };
    base::Guarded<First, base::LockRank::paging> first_;
    std::atomic<std::uint32_t> outstanding_{0};
};

} // namespace shadow_pt
