#include "migrate/blackout.hpp"

#include <algorithm>
#include <array>

namespace migrate {
namespace {

struct Ending {
    std::string_view mark;
    std::string_view part; ///< that ends with it
};

constexpr std::array<Ending, 11> kEndings = {{
    {mark::stopped, "suspend_ms"},
    {mark::noticed, "notice_ms"},
    {mark::record, "record_ms"},
    {mark::harvested, "last_harvest_ms"},
    {mark::sent, "last_pages_ms"},
    {mark::whole, "arrive_ms"},
    {mark::adopted, "adopt_ms"},
    {mark::given, "give_ms"},
    {mark::taken, "take_ms"},
    {mark::runs, "resume_ms"},
    {mark::connected, "devices_ms"},
}};

} // namespace

std::vector<Part> parts_of(std::span<Mark const> marks) {
    auto const find = [&](std::string_view name) { return std::ranges::find(marks, name, &Mark::name); };
    std::vector<Part> parts;
    auto const begin = find(mark::asked);
    if (begin == marks.end())
        return parts;
    auto before = begin->at;
    for (auto const& [name, part] : kEndings) {
        auto const found = find(name);
        if (found == marks.end() || found->at < before)
            continue;
        parts.push_back({part, static_cast<double>(found->at - before) / 1e6});
        before = found->at;
    }
    return parts;
}

} // namespace migrate
