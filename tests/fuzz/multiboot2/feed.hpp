/// Foreign bytes for the Multiboot2 parser, and what it says about memory for the memory map.
#pragma once

#include <memory>

#include "base/assert.hpp"
#include "boot/multiboot2.hpp"

namespace fuzz {

inline void check(boot::E820Map const& map) {
    auto const ranges = map.ranges();
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        ASSERT(ranges[i].start < ranges[i].end);
        if (i > 0)
            ASSERT(ranges[i - 1].end <= ranges[i].start);
    }
}

inline bool inside(std::string_view text, base::Bytes bytes) {
    auto const* const first = reinterpret_cast<char const*>(bytes.data());
    return text.empty() || (text.data() >= first && text.data() + text.size() <= first + bytes.size());
}

/// True if the structure was accepted.
inline bool feed_multiboot2(base::Bytes input) {
    auto const info = std::make_unique<boot::BootInfo>();
    if (!boot::parse_multiboot2(input, *info))
        return false;
    ASSERT(inside(info->command_line, input) && inside(info->loader, input));

    auto const map = std::make_unique<boot::E820Map>();
    ASSERT(map->assign(info->memory).ok());
    check(*map);
    base::FixedVector<boot::FrameRange, 8> taken;
    for (auto const& module : info->modules) {
        ASSERT(module.start <= module.end && inside(module.command_line, input));
        ASSERT(taken.push_back(boot::frames_around(module.start, module.end)));
        (void)map->retype_ram(module.start, module.end);
    }
    check(*map);
    for (auto const from : {boot::SpaceRequest::From::bottom, boot::SpaceRequest::From::top}) {
        boot::SpaceRequest const wish{.frames = 16, .alignment = 4, .avoid = taken, .from = from};
        if (auto const place = map->find_space(wish)) {
            ASSERT(place.value().raw() % 4 == 0);
            ASSERT(map->is_ram({place.value(), place.value() + 16}));
        }
    }
    return true;
}

} // namespace fuzz
