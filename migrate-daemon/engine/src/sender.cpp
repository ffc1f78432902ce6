#include "engine/sender.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <numeric>
#include <random>
#include <utility>

#include "engine/hash_code.hpp"

namespace engine {

using migrate::Gfn;
using outcome::fail;
using outcome::Kind;
using outcome::Result;

migrate::StreamInfo fresh_stream(bool live, bool connection, unsigned streams) {
    migrate::StreamInfo info;
    info.streams = static_cast<std::uint16_t>(streams);
    info.live = live;
    info.connection = connection;
    std::random_device random;
    std::ranges::generate(info.id, [&] { return static_cast<std::uint8_t>(random()); });
    info.seed = std::uint64_t{random()} << 32 | random();
    return info;
}

Result<std::unique_ptr<Sender>> Sender::open(hypervisor::Toolstack const& tools, hypervisor::DomainName const& domain,
                                             Description const& description, How const& how, Sink sink) {
    use_faster_hash();
    std::unique_ptr<Sender> sender{
        new Sender{tools, domain.id, TRY(hypervisor::GuestMemory::map(tools, domain.id)), how, std::move(sink)}};
    sender->frames_held_ = TRY(state_of(tools, domain.id)).pages;
    migrate::MemoryLayout layout;
    for (auto const& run : sender->memory_.layout()) {
        if (!layout.append(Gfn{run.first}, run.count))
            return fail(Kind::precondition, "the domain has frames with numbers that no guest has");
        for (std::uint64_t i = 0; i < run.count; ++i)
            sender->wanted_.push_back(run.first + i);
    }
    sender->book_ = std::make_unique<migrate::SentPages>(std::move(layout), how.info.seed);
    auto info = how.info;
    for (; info.index < info.streams; ++info.index)
        sender->lanes_.push_back(
            std::make_unique<Lane>(info, *sender->book_, sender->memory_, how.level, sender->sink_));
    auto& primary = sender->lanes_.front()->out();
    if (!primary.description(description.text()) || !primary.layout(sender->layout()))
        return fail(Kind::precondition, "the domain's configuration or memory is too large to be described");
    return sender;
}

Result<void> Sender::start() {
    // What is written from here on is found by a harvest, whatever of it is seen before.
    if (how_.live)
        log_.emplace(TRY(hypervisor::DirtyLog::start(*tools_, domain_)));
    return {};
}

Result<std::size_t> Sender::harvest() {
    auto const written = TRY(log_->take());
    std::vector<std::uint64_t> all;
    all.reserve(wanted_.size() + written.size());
    std::ranges::set_union(wanted_, written, std::back_inserter(all));
    wanted_ = std::move(all);
    return wanted_.size();
}

Result<void> Sender::last_harvest() {
    if (log_)
        static_cast<void>(TRY(harvest()));
    if (TRY(state_of(*tools_, domain_)).pages != frames_held_)
        return balloon_moved();
    return {};
}

Result<RoundReport> Sender::run_round(bool last) {
    auto const began = std::chrono::steady_clock::now();
    auto const before = octets();
    auto const wanted = std::exchange(wanted_, {});
    std::vector<migrate::RoundEnd> ended(lanes_.size());
    TRY(crew_.all([&](unsigned stream) -> Result<void> {
        ended[stream] = TRY(lanes_[stream]->round(wanted, last));
        return {};
    }));
    std::chrono::duration<double, std::milli> const took = std::chrono::steady_clock::now() - began;
    RoundReport report{.round = ended.front().round,
                       .looked_at = wanted.size(),
                       .sent = 0,
                       .octets = octets() - before,
                       .ms = took.count()};
    for (auto const& one : ended)
        report.sent += one.sent.all();
    return report;
}

std::uint64_t Sender::octets() const {
    return std::accumulate(lanes_.begin(), lanes_.end(), std::uint64_t{0},
                           [](std::uint64_t sum, auto const& lane) { return sum + lane->octets(); });
}

Result<void> Sender::finish(std::span<std::byte const> record) {
    auto& primary = lanes_.front()->out();
    if (!primary.domain_record(record))
        return fail(Kind::failed, "the domain's record is too large");
    migrate::ImageDigest whole;
    for (auto const& lane : lanes_)
        whole += lane->digest();
    primary.image_digest(whole);
    for (auto const& lane : lanes_) {
        lane->out().end();
        TRY(lane->drain());
    }
    return {};
}

} // namespace engine
