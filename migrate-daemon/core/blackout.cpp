#include "migrate/blackout.hpp"

#include <algorithm>

namespace migrate {
namespace {

constexpr Ending kEndings[] = {
    {mark::clock_stopped, "suspend_ms", "the guest suspends itself, and its clock goes", true},
    {mark::stopped, "stop_ms", "it stops its clock, and then itself", true},
    {mark::noticed, "notice_ms", "the source sees that it stands still", false},
    {mark::record, "record_ms", "its record is taken", false},
    {mark::harvested, "last_harvest_ms", "what it wrote last is asked for", false},
    {mark::sent, "last_pages_ms", "and sent", false},
    {mark::whole, "arrive_ms", "the destination has all of it, and it is what was sent", false},
    {mark::adopted, "adopt_ms", "a domain becomes what the record says", false},
    {mark::given, "give_ms", "it waits for the source's word that the guest is given away", false},
    {mark::taken, "take_ms", "and writes into its journal that it has taken it", false},
    {mark::runs, "resume_ms", "and it runs", false},
    {mark::clock_goes, "wake_ms", "and its clock goes on", true},
    {mark::connected, "devices_ms", "and its devices are connected", true},
    {mark::heard, "first_packet_ms", "and it is heard", true},
};

auto find(std::span<Mark const> marks, std::string_view name) { return std::ranges::find(marks, name, &Mark::name); }

double ms_between(Mark const& begin, Mark const& end) { return static_cast<double>(end.at - begin.at) / 1e6; }

} // namespace

std::span<Ending const> endings() { return kEndings; }

std::vector<Part> parts_of(std::span<Mark const> marks) {
    std::vector<Part> parts;
    auto before = find(marks, mark::asked);
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
    auto const stopped = find(marks, mark::clock_stopped), goes = find(marks, mark::clock_goes);
    if (stopped == marks.end() || goes == marks.end() || goes->at < stopped->at)
        return std::nullopt;
    return ms_between(*stopped, *goes);
}

} // namespace migrate
