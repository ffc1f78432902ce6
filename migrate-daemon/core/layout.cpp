#include "migrate/layout.hpp"

#include <algorithm>

#include "migrate/octets.hpp"
#include "migrate/records.hpp"
#include "migrate/stream_format.hpp"

namespace migrate {

bool MemoryLayout::append(Gfn first, std::uint64_t count) {
    if (count == 0 || first.raw() >= kGfnLimit || count > kGfnLimit - first.raw())
        return false;
    if (!runs_.empty()) {
        auto& last = runs_.back();
        auto const end = last.first + last.count;
        if (first < end)
            return false;
        if (first == end) {
            last.count += count;
            frames_ += count;
            return true;
        }
    }
    runs_.push_back({first, count, frames_});
    frames_ += count;
    return true;
}

std::optional<std::uint64_t> MemoryLayout::index_of(Gfn gfn) const {
    auto const after =
        std::upper_bound(runs_.begin(), runs_.end(), gfn, [](Gfn one, Run const& run) { return one < run.first; });
    if (after == runs_.begin())
        return std::nullopt;
    auto const& run = *std::prev(after);
    auto const offset = gfn - run.first;
    return offset < run.count ? std::optional{run.index + offset} : std::nullopt;
}

Gfn MemoryLayout::frame_at(std::uint64_t index) const {
    ASSERT(index < frames_);
    auto const after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                        [](std::uint64_t one, Run const& run) { return one < run.index; });
    auto const& run = *std::prev(after);
    return run.first + (index - run.index);
}

bool MemoryLayout::write(std::vector<std::byte>& payload) const {
    constexpr auto kMostRuns = (kMostPayload - sizeof(format::LayoutHead)) / sizeof(format::LayoutRun);
    if (runs_.empty() || runs_.size() > kMostRuns)
        return false;
    put_value(payload, format::LayoutHead{static_cast<std::uint32_t>(runs_.size()), 0});
    for (auto const& run : runs_)
        put_value(payload, format::LayoutRun{run.first.raw(), run.count});
    return true;
}

Streamed<MemoryLayout> MemoryLayout::parse(Bytes payload) {
    auto const head = base::load<format::LayoutHead>(payload);
    if (!head || head->reserved != 0 || head->runs == 0 ||
        payload.size() != sizeof *head + std::size_t{head->runs} * sizeof(format::LayoutRun))
        return refuse(StreamError::bad_layout);
    MemoryLayout layout;
    layout.runs_.reserve(head->runs);
    for (std::size_t at = sizeof *head; at < payload.size(); at += sizeof(format::LayoutRun)) {
        auto const run = base::load<format::LayoutRun>(payload, at);
        auto const runs_before = layout.runs_.size();
        if (!layout.append(Gfn{run->first}, run->count) || layout.runs_.size() == runs_before)
            return refuse(StreamError::bad_layout);
    }
    return layout;
}

} // namespace migrate
