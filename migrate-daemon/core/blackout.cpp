#include "migrate/blackout.hpp"

#include <algorithm>

namespace migrate {
namespace {

constexpr Ending kEndings[] = {
    {mark::kClockStopped, "suspend_ms", "the guest suspends itself, and its clock goes", true},
    {mark::kStopped, "stop_ms", "it stops its clock, and then itself", true},
    {mark::kNoticed, "notice_ms", "the source sees that it stands still", false},
    {mark::kRecord, "record_ms", "its record is taken", false},
    {mark::kHarvested, "last_harvest_ms", "what it wrote last is asked for", false},
    {mark::kSent, "last_pages_ms", "and sent", false},
    {mark::kWhole, "arrive_ms", "the destination has all of it, and it is what was sent", false},
    {mark::kAdopted, "adopt_ms", "a domain becomes what the record says", false},
    {mark::kGiven, "give_ms", "it waits for the source's word that the guest is given away", false},
    {mark::kTaken, "take_ms", "and writes into its journal that it has taken it", false},
    {mark::kRuns, "resume_ms", "and it runs", false},
    {mark::kClockGoes, "wake_ms", "and its clock goes on", true},
    {mark::kConnected, "devices_ms", "and its devices are connected", true},
    {mark::kHeard, "first_packet_ms", "and it is heard", true},
};

auto find(std::span<Mark const> marks, std::string_view name) { return std::ranges::find(marks, name, &Mark::name); }

double ms_between(Mark const& begin, Mark const& end) { return static_cast<double>(end.at - begin.at) / 1e6; }

} // namespace

std::span<Ending const> endings() { return kEndings; }

std::vector<Part> parts_of(std::span<Mark const> marks) {
    std::vector<Part> parts;
    auto before = find(marks, mark::kAsked);
    if (before == marks.end())
        return parts;
    for (auto const& ending : kEndings) {
        auto const found = find(marks, ending.mark);
        if (found == marks.end() || found->at < before->at)
            continue;
        parts.push_back({ending.part, ms_between(*before, *found)});
        before = found;
    }
    return parts;
}

std::optional<double> clock_stood(std::span<Mark const> marks) {
    auto const stopped = find(marks, mark::kClockStopped), goes = find(marks, mark::kClockGoes);
    if (stopped == marks.end() || goes == marks.end() || goes->at < stopped->at)
        return std::nullopt;
    return ms_between(*stopped, *goes);
}

} // namespace migrate
