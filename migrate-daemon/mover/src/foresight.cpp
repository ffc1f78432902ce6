#include "foresight.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace mover {
namespace {

using nlohmann::json;
using outcome::Result;
using Clock = std::chrono::steady_clock;

/// Of a blackout without any page, in seconds: what is foreseen of a host that nothing was moved to yet.
constexpr double kForeseenFixed = 0.1;

std::optional<double> number(json const& object, char const* field) {
    auto const found = object.find(field);
    return found != object.end() && found->is_number() ? std::optional{found->get<double>()} : std::nullopt;
}

/// What it was in @p move, all but the last pages; nothing if that was not measured.
std::optional<double> fixed_part(json const& move) {
    auto const parts = move.find("parts");
    auto const blackout = number(move, "blackout_stamped_ms");
    if (parts == move.end() || !parts->is_object() || !blackout)
        return std::nullopt;
    auto const pages = number(*parts, "last_pages_ms");
    return pages ? std::optional{std::max(0.0, (*blackout - *pages) / 1e3)} : std::nullopt;
}

} // namespace

/// A wire that was cut in the middle of one says nothing of the next. (The domains differ; what hosts and network take is much the same.) It never
/// counts for more than half of the @p budget: more rounds do not make it less, and a guest at rest is moved all the same.
double foreseen_fixed(std::vector<json> const& moves, double budget) {
    std::optional<double> least;
    for (auto const& move : moves)
        if (auto const fixed = fixed_part(move))
            least = std::min(least.value_or(*fixed), *fixed);
    return std::min(least.value_or(kForeseenFixed), budget / 2);
}

std::optional<Pace> last_pace(std::vector<json> const& moves) {
    for (auto const& move : moves)
        if (auto const bandwidth = number(move, "bandwidth"), ratio = number(move, "ratio");
            bandwidth && ratio && *bandwidth > 0 && *ratio > 0)
            return Pace{*bandwidth, *ratio};
    return std::nullopt;
}

Result<policy::Writer> look_at(hypervisor::Toolstack const& tools, std::uint32_t domain, double frames) {
    constexpr std::chrono::milliseconds kMoment{200};
    constexpr std::chrono::milliseconds kWhile{1000};
    auto log = TRY(hypervisor::DirtyLog::start(tools, domain));
    auto last = Clock::now();
    double pages[2] = {}, seconds[2] = {};
    for (int i = 0; i < 2; ++i) {
        std::this_thread::sleep_for(i == 0 ? kMoment : kWhile);
        pages[i] = static_cast<double>(TRY(log.take()).size());
        seconds[i] = std::chrono::duration<double>(Clock::now() - last).count();
        last = Clock::now();
    }
    return policy::writer_of(pages[0], seconds[0], pages[1], seconds[1], frames);
}

json forecast_of(policy::Forecast const& foreseen) {
    return {{"rounds", foreseen.rounds + 1}, // with that of the blackout
            {"rounds_ms", foreseen.seconds * 1e3},
            {"blackout_ms", foreseen.blackout * 1e3},
            {"throttle", foreseen.throttle},
            {"reason", foreseen.reason}};
}

} // namespace mover
