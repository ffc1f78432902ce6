#include "boot/e820.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/assert.hpp"

namespace boot {

using base::Error;
using base::Maddr;
using base::Mfn;

namespace {

/// How little a type is worth to us: where firmware's ranges overlap, the highest wins.
constexpr unsigned uselessness(MemoryType type) {
    switch (type) {
    case MemoryType::ram: return 0;
    case MemoryType::acpi_tables: return 1;
    case MemoryType::acpi_nvs: return 2;
    case MemoryType::reserved: return 3;
    case MemoryType::unusable: return 4;
    }
    return 3;
}

/// A type that we have no name for (persistent memory, a vendor's own) is not for us to use.
constexpr MemoryType known(MemoryType type) {
    return type >= MemoryType::ram && type <= MemoryType::unusable ? type : MemoryType::reserved;
}

constexpr bool overlap(FrameRange const& a, FrameRange const& b) { return a.first < b.end && b.first < a.end; }

/// A place for the wish within @p room, or nothing. Each step past an obstacle leaves that obstacle behind for good,
/// so there are at most as many steps as obstacles.
std::optional<Mfn> place_within(FrameRange room, SpaceRequest const& wish) {
    auto const mask = wish.alignment - 1;
    auto const obstacle = [&](FrameRange const& candidate) {
        return std::find_if(wish.avoid.begin(), wish.avoid.end(),
                            [&](FrameRange const& one) { return one.first < one.end && overlap(one, candidate); });
    };

    auto low = std::max(room.first, wish.lowest).raw();
    auto high = std::min(room.end, wish.limit).raw();
    for (;;) {
        if (low > ~mask)
            return std::nullopt;
        auto const lowest_start = (low + mask) & ~mask;
        if (high < lowest_start || high - lowest_start < wish.frames)
            return std::nullopt;
        auto const start = wish.from == SpaceRequest::From::bottom ? lowest_start : (high - wish.frames) & ~mask;
        auto const blocked = obstacle({Mfn{start}, Mfn{start + wish.frames}});
        if (blocked == wish.avoid.end())
            return Mfn{start};
        if (wish.from == SpaceRequest::From::bottom)
            low = blocked->end.raw();
        else
            high = blocked->first.raw();
    }
}

} // namespace

FrameRange frames_around(Maddr start, Maddr end) {
    auto const last_up = (end.raw() >> base::kPageShift) + (end.offset() != 0 ? 1 : 0);
    return {frame_of(start), Mfn{last_up}};
}

FrameRange E820Map::whole_frames(MemoryRange const& range) {
    auto const first = (range.start.raw() >> base::kPageShift) + (range.start.offset() != 0 ? 1 : 0);
    auto const end = range.end.raw() >> base::kPageShift;
    return {Mfn{first}, Mfn{std::max(first, end)}};
}

// Cuts the address space at every start and end that was told; each piece gets the worst type that covers it.
base::Status E820Map::assign(std::span<MemoryRange const> told) {
    if (told.size() > kMaxFirmwareRanges)
        return base::Err{Error::no_space};

    std::array<Maddr, 2 * kMaxFirmwareRanges> cuts;
    std::size_t count = 0;
    for (auto const& range : told) {
        cuts[count++] = range.start;
        cuts[count++] = range.end;
    }
    std::sort(cuts.begin(), cuts.begin() + count);

    ranges_.clear();
    for (std::size_t i = 1; i < count; ++i) {
        if (cuts[i - 1] == cuts[i])
            continue;
        MemoryRange piece{cuts[i - 1], cuts[i], MemoryType::ram};
        bool covered = false;
        for (auto const& range : told) {
            if (range.start > piece.start || range.end < piece.end)
                continue;
            covered = true;
            if (uselessness(known(range.type)) > uselessness(piece.type))
                piece.type = known(range.type);
        }
        if (covered) {
            [[maybe_unused]] bool const fits = ranges_.push_back(piece);
            ASSERT(fits); // fewer pieces than cuts
        }
    }
    merge_neighbours();
    return {};
}

base::Status E820Map::retype_ram(Maddr start, Maddr end, MemoryType type) {
    if (start >= end)
        return {};
    if (ranges_.size() + 2 > kMaxRanges)
        return base::Err{Error::no_space};

    // What sticks out on either side goes to the end of the list, and sorting brings it home.
    for (std::size_t i = 0, known_ranges = ranges_.size(); i < known_ranges; ++i) {
        auto& range = ranges_[i];
        if (range.type != MemoryType::ram || range.end <= start || end <= range.start)
            continue;
        MemoryRange const head{range.start, start, MemoryType::ram};
        MemoryRange const tail{end, range.end, MemoryType::ram};
        range = {std::max(range.start, start), std::min(range.end, end), type};
        for (auto const& rest : {head, tail})
            if (rest.start < rest.end) {
                [[maybe_unused]] bool const fits = ranges_.push_back(rest);
                ASSERT(fits); // one head and one tail at most
            }
    }
    std::sort(ranges_.begin(), ranges_.end(), [](auto const& a, auto const& b) { return a.start < b.start; });
    merge_neighbours();
    return {};
}

void E820Map::merge_neighbours() {
    std::size_t kept = 0;
    for (std::size_t i = 1; i < ranges_.size(); ++i) {
        if (ranges_[kept].end == ranges_[i].start && ranges_[kept].type == ranges_[i].type)
            ranges_[kept].end = ranges_[i].end;
        else
            ranges_[++kept] = ranges_[i];
    }
    if (!ranges_.empty())
        ranges_.truncate(kept + 1);
}

std::uint64_t E820Map::ram_frames() const {
    std::uint64_t sum = 0;
    for_each_ram([&](FrameRange frames) { sum += frames.count(); });
    return sum;
}

Mfn E820Map::end_of_ram() const {
    Mfn end{0};
    for_each_ram([&](FrameRange frames) { end = frames.end; });
    return end;
}

bool E820Map::is_ram(FrameRange frames) const {
    bool found = false;
    for_each_ram([&](FrameRange ram) { found = found || (ram.first <= frames.first && frames.end <= ram.end); });
    return found;
}

base::Result<Mfn> E820Map::find_space(SpaceRequest const& request) const {
    bool const power_of_two = request.alignment != 0 && (request.alignment & (request.alignment - 1)) == 0;
    if (request.frames == 0 || !power_of_two)
        return base::Err{Error::invalid};

    std::optional<Mfn> found;
    for_each_ram([&](FrameRange ram) {
        if (found && request.from == SpaceRequest::From::bottom)
            return;
        if (auto const place = place_within(ram, request))
            found = place;
    });
    if (!found)
        return base::Err{Error::no_memory};
    return *found;
}

} // namespace boot
