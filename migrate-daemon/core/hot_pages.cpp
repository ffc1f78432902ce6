#include "migrate/hot_pages.hpp"

#include <algorithm>

namespace migrate {

Page const* HotPages::find(Gfn gfn, std::uint32_t round) {
    auto const place = places_.find(gfn.raw());
    if (place == places_.end())
        return nullptr;
    auto& slot = slots_[place->second];
    slot.used = round;
    return &slot.page;
}

HotPages::Slot* HotPages::place_for(Gfn gfn, std::uint32_t round) {
    if (auto const place = places_.find(gfn.raw()); place != places_.end())
        return &slots_[place->second];
    std::size_t chosen = slots_.size();
    if (!free_.empty()) {
        chosen = free_.back();
        free_.pop_back();
    } else if (slots_.size() < capacity_) {
        slots_.emplace_back();
    } else {
        constexpr unsigned kLooks = 8; // a cache full of hot pages is not searched through for each newcomer
        for (unsigned look = 0; look < kLooks && chosen == slots_.size() && !slots_.empty(); ++look) {
            auto const at = hand_++ % slots_.size();
            if (slots_[at].used + 1 < round)
                chosen = at;
        }
        if (chosen == slots_.size())
            return nullptr;
        places_.erase(slots_[chosen].gfn.raw());
    }
    slots_[chosen].gfn = gfn;
    places_.emplace(gfn.raw(), static_cast<std::uint32_t>(chosen));
    return &slots_[chosen];
}

void HotPages::keep(Gfn gfn, PageView contents, std::uint32_t round) {
    if (auto* const slot = place_for(gfn, round)) {
        slot->used = round;
        std::copy(contents.begin(), contents.end(), slot->page.begin());
    }
}

void HotPages::forget(Gfn gfn) {
    auto const place = places_.find(gfn.raw());
    if (place == places_.end())
        return;
    free_.push_back(place->second);
    places_.erase(place);
}

} // namespace migrate
