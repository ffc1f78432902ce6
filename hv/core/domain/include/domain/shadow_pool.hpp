/// The pages that a domain's shadows are made of (SP-10, SP-11).
///
/// A floor of pages is taken from free memory when the domain is made and given back at its end, so that what one
/// domain does to its page tables takes nothing from another. Beyond the floor the pool grows while there is memory, up to a limit
/// (docs/decisions/0009); then shadows are evicted. Of pages that nothing uses it keeps no more than the floor, and gives the
/// others back. A page that a shadow has left is zeroed and used again only after every CPU that may hold a paging-structure entry
/// for it has flushed; until then it waits, first in, first out. Who cannot wait gets it as soon as those CPUs have flushed that
/// are in a guest.
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
    /// The limit: an eighth and 4 MiB.
    static constexpr std::uint64_t limit_for(std::uint64_t pages) { return pages / 8 + 1024; }
    /// No limit is less than this: the roots and the ways to a few addresses for each of @p vcpus, and three lists of harvests.
    static constexpr std::uint64_t least_for(std::uint64_t vcpus) { return 32 + 16 * vcpus; }

    /// How many pages may be in use. Those that are stay so (Paging::shed).
    void set_limit(std::uint64_t pages);

    /// Takes pages from free memory until the pool has @p floor; no_memory if there are not so many.
    [[nodiscard]] base::Status fill(std::uint64_t floor);

    /// A zeroed page that every CPU has flushed for. no_memory if the pool has none, and cannot grow, or is at its limit.
    [[nodiscard]] base::Result<base::Mfn> take();
    /// The same, or a page that CPUs which are not in a guest may still know: these flush before they enter one (SP-11). Waits for
    /// the others, as FlushClock::flush() does.
    [[nodiscard]] base::Result<base::Mfn> take_at_once();
    /// A page that no shadow entry leads to since @p stamp.
    void give(base::Mfn page, shadow_pt::Stamp stamp);

    /// One of those in use after the other, round and round, the newest last; invalid if there is none. Hints.
    [[nodiscard]] base::Mfn next_in_use();

    struct Size {
        std::uint64_t pages = 0;  ///< belonging to the pool
        std::uint64_t in_use = 0; ///< of these, shadows now
        std::uint64_t limit = 0;
    };
    [[nodiscard]] Size size();

  private:
    /// A queue of pages, linked through their frame infos: a shadow page is the hypervisor's, its gfn is free for that.
    struct Queue {
        base::Mfn first, last;
    };
    struct Pages {
        Queue clean;    ///< zeroed
        Queue waiting;  ///< to be flushed for
        base::Mfn hand; ///< in the ring of those in use
        std::uint64_t floor = 0;
        Size size;
    };

    void push(Queue& queue, base::Mfn page);
    [[nodiscard]] base::Mfn pop(Queue& queue);
    void begin_use(Pages& pages, base::Mfn page);
    void end_use(Pages& pages, base::Mfn page);
    [[nodiscard]] base::Result<base::Mfn> grow();
    [[nodiscard]] base::Result<base::Mfn> new_page();

    mm::FrameAllocator& frames_;
    FlushClock& clock_;
    base::Guarded<Pages, base::LockRank::paging> pages_;
};

} // namespace domain
