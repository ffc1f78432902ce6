/// The last sent contents of pages that are sent again and again: what deltas are made against. A bounded cache.
///
/// A page is worth keeping when it comes for the second time, so the first round fills nothing. When the cache is full, only a page
/// that has not come in this round or the one before makes room; else the newcomer is not kept. So a working set larger than the
/// cache has a part of it served always, where replacing the oldest would serve none.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "migrate/page.hpp"

namespace migrate {

class HotPages {
  public:
    explicit HotPages(std::size_t capacity) : capacity_{capacity} { slots_.reserve(capacity); }

    /// What was last kept of this page; null if nothing is. Counts as a use in @p round.
    [[nodiscard]] Page const* find(Gfn gfn, std::uint32_t round);
    /// The page was sent with these contents in @p round.
    void keep(Gfn gfn, PageView contents, std::uint32_t round);
    void forget(Gfn gfn);

    [[nodiscard]] std::size_t size() const { return places_.size(); }

  private:
    struct Slot {
        Gfn gfn; ///< invalid if the slot is free
        std::uint32_t used = 0;
        Page page;
    };

    [[nodiscard]] Slot* place_for(Gfn gfn, std::uint32_t round);

    std::size_t capacity_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::unordered_map<std::uint64_t, std::uint32_t> places_; ///< gfn to slot
    std::size_t hand_ = 0;
};

} // namespace migrate
