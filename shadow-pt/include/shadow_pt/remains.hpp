/// Shadows whose tables have left them, and whose entries are still to be given back (SP-9).
///
/// Any CPU may take one and tear it. It counts as outstanding until that is done, so that an operation which finds the
/// list empty still knows whether another CPU has something in hand.
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
        first_.with([&](base::Mfn& first) {
            page.set_next(first);
            first = shadow;
        });
    }

    /// Takes one out; invalid if there is none. @p page_of(Mfn) gives a shadow's ShadowPage.
    template <typename PageOf> [[nodiscard]] base::Mfn take(PageOf&& page_of) {
        return first_.with([&](base::Mfn& first) {
            auto const taken = first;
            if (taken.valid())
                first = page_of(taken).next();
            return taken;
        });
    }
    /// What was taken is torn. Release: who then sees none outstanding sees all that was given back.
    void finished() { outstanding_.fetch_sub(1, std::memory_order_release); }

    [[nodiscard]] bool none() const { return outstanding_.load(std::memory_order_acquire) == 0; }

  private:
    base::Guarded<base::Mfn, base::LockRank::paging> first_;
    std::atomic<std::uint32_t> outstanding_{0};
};

} // namespace shadow_pt
