/// The pages that a domain's shadows are made of (SP-10, SP-11).
///
/// A floor of pages is taken from free memory when the domain is made and given back at its end, so that what one
/// domain does to its page tables takes nothing from another. Beyond the floor the pool grows while there is memory,
/// and says how far; of pages that nothing uses it keeps no more than the floor, and gives the others back. A page that a
/// shadow has left is zeroed and used again only after every CPU that may hold a paging-structure entry for it has flushed;
/// until then it waits, first in, first out.
#pragma once

#include <cstdint>

#include "base/frame.hpp"
#include "base/lock.hpp"
#include "base/result.hpp"
#include "domain/flush_clock.hpp"
#include "mm/frame_allocator.hpp"
#include "shadow_pt/tlb_clock.hpp"

namespace domain {

class ShadowPool {
  public:
    ShadowPool(mm::FrameAllocator& frames, FlushClock& clock) : frames_{frames}, clock_{clock} {}
    ShadowPool(ShadowPool const&) = delete;
    ShadowPool& operator=(ShadowPool const&) = delete;
    ~ShadowPool();

    /// The floor for a domain of @p pages: about 3 % and 1 MiB.
    static constexpr std::uint64_t floor_for(std::uint64_t pages) { return pages / 32 + 256; }

    /// Takes pages from free memory until the pool has @p floor; no_memory if there are not so many.
    [[nodiscard]] base::Status fill(std::uint64_t floor);

    /// A zeroed page. no_memory if the pool is empty and no memory is free.
    [[nodiscard]] base::Result<base::Mfn> take();
    /// A page that no shadow entry leads to since @p stamp.
    void give(base::Mfn page, shadow_pt::Stamp stamp);

    struct Size {
        std::uint64_t pages = 0;  ///< belonging to the pool
        std::uint64_t in_use = 0; ///< of these, shadows now
    };
    [[nodiscard]] Size size();

  private:
    /// A queue of pages, linked through their frame infos: a shadow page is the hypervisor's, its gfn is free for that.
    struct Queue {
        base::Mfn first, last;
    };
    struct Pages {
        Queue clean;   ///< zeroed
        Queue waiting; ///< to be flushed for
        std::uint64_t floor = 0;
        Size size;
    };

    void push(Queue& queue, base::Mfn page);
    [[nodiscard]] base::Mfn pop(Queue& queue);
    [[nodiscard]] base::Result<base::Mfn> new_page();

    mm::FrameAllocator& frames_;
    FlushClock& clock_;
    base::Guarded<Pages, base::LockRank::paging> pages_;
};

} // namespace domain
