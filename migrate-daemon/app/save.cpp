#include "save.hpp"

#include <chrono>
#include <limits>
#include <optional>
#include <string>

#include "engine/description.hpp"
#include "engine/guardian.hpp"
#include "engine/sender.hpp"
#include "engine/stop.hpp"
#include "files.hpp"
#include "hypervisor/record.hpp"
#include "hypervisor/suspension.hpp"
#include "policy/helps.hpp"
#include "progress.hpp"

namespace app {
namespace {

using hypervisor::Toolstack;
using outcome::fail;
using outcome::Kind;
using outcome::Result;
using Clock = std::chrono::steady_clock;

/// Rounds while it runs, at most, and what is few enough to stop for (Xen 4.17's rule).
constexpr unsigned kMostRounds = 5;
constexpr double kFewPages = 50;

double milliseconds_since(Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

void tell(engine::RoundReport const& round) {
    say("round " + std::to_string(round.round) + ": " + std::to_string(round.looked_at) + " pages, " +
        std::to_string(round.sent) + " of them sent, " + std::to_string(round.octets >> 10) + " KiB in " +
        std::to_string(static_cast<int>(round.ms)) + " ms");
}

} // namespace

Result<Saved> save(Options const& options) {
    auto const begin = Clock::now();
    auto guardian = TRY(engine::Guardian::start());
    auto const tools = TRY(Toolstack::open());
    auto const domain = TRY(find_domain(tools, options.domain));
    auto const way = options.way ? *options.way : TRY(way_of(tools, domain.id, options.wait, say));
    auto file = TRY(NewFile::create(options.file));
    guardian.owe(engine::Debt::remove, file.part());
    engine::Stop stop{tools, domain.id, way, guardian};
    if (options.stopped)
        TRY(stop.begin(options.patience));
    else
        guardian.owe(engine::Debt::untrack, domain.id);

    engine::Sender::How const how{
        .info = engine::fresh_stream(!options.stopped, false), .level = options.level, .live = !options.stopped};
    auto const sender =
        TRY(engine::Sender::open(tools, domain, TRY(engine::Description::of(tools, domain, way)), how,
                                 [&](unsigned, std::vector<std::byte>& octets) { return file.write(octets); }));
    auto record = TRY(hypervisor::RecordOf::domain(tools, domain.id));
    TRY(sender->start());
    unsigned rounds = 1;
    if (!options.stopped) {
        // One that does not help only makes the file longer: it keeps each round's pages.
        auto before = std::numeric_limits<double>::infinity();
        for (;; ++rounds) {
            tell(TRY(sender->round()));
            auto const left = static_cast<double>(TRY(sender->harvest()));
            if (left <= kFewPages || rounds == kMostRounds || !policy::helps(left, before))
                break;
            before = left;
        }
        TRY(stop.begin(options.patience));
        ++rounds;
    }
    TRY(sender->last_harvest());
    tell(TRY(sender->last_round()));
    TRY(sender->finish(TRY(record.take())));

    Saved saved{.name = domain.name, .bytes = sender->octets(), .rounds = rounds, .total_ms = 0, .stopped_ms = 0};
    if (options.checkpoint) {
        sender->untrack();
        TRY(stop.resume());
        saved.stopped_ms = stop.ms();
    }
    TRY(file.commit());
    guardian.settle(engine::Debt::remove, file.part());
    if (!options.checkpoint) {
        saved.stopped_ms = stop.ms();
        stop.give_away();
        sender->untrack();
        if (libxl_domain_destroy(tools.light(), domain.id, nullptr) != 0)
            return fail(Kind::attention, domain.name + " is in the file, and is still here",
                        "xl destroy it: both must not run");
    }
    guardian.settle(engine::Debt::untrack, domain.id);
    saved.total_ms = milliseconds_since(begin);
    return saved;
}

} // namespace app
