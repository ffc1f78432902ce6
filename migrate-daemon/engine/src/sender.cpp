#include "engine/sender.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <random>
#include <string>

#include "engine/hash_code.hpp"

namespace engine {
namespace {

using migrate::Gfn;
using outcome::fail;
using outcome::Kind;
using outcome::Result;
using Clock = std::chrono::steady_clock;

/// Octets that are collected before they go to the sink.
constexpr std::size_t kPiece = 256U << 10;

base::Err<outcome::Failure> balloon_moved() {
    return fail(Kind::failed, "the domain's memory became more or less meanwhile", "try again when its balloon rests");
}

} // namespace

migrate::StreamInfo fresh_stream(bool live, bool connection) {
    migrate::StreamInfo info;
    info.live = live;
    info.connection = connection;
    std::random_device random;
    std::ranges::generate(info.id, [&] { return static_cast<std::uint8_t>(random()); });
    info.seed = std::uint64_t{random()} << 32 | random();
    return info;
}

Result<Sender> Sender::open(hypervisor::Toolstack const& tools, hypervisor::DomainName const& domain,
                            Description const& description, How const& how, Sink sink) {
    use_faster_hash();
    Sender sender{tools, domain.id, TRY(hypervisor::GuestMemory::map(tools, domain.id)), how, std::move(sink)};
    sender.frames_held_ = TRY(state_of(tools, domain.id)).pages;
    migrate::MemoryLayout layout;
    for (auto const& run : sender.memory_.layout()) {
        if (!layout.append(Gfn{run.first}, run.count))
            return fail(Kind::precondition, "the domain has frames with numbers that no guest has");
        for (std::uint64_t i = 0; i < run.count; ++i)
            sender.wanted_.push_back(run.first + i);
    }
    sender.out_ = std::make_unique<migrate::StreamWriter>(how.info);
    if (!sender.out_->description(description.text()) || !sender.out_->layout(layout))
        return fail(Kind::precondition, "the domain's configuration or memory is too large to be described");
    sender.book_ = std::make_unique<migrate::SentPages>(std::move(layout), how.info.seed);
    sender.encoder_ = std::make_unique<migrate::PageEncoder>(*sender.book_);
    sender.encoder_->set_level(how.level);
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
    auto const began = Clock::now();
    auto const before = out_->written();
    using Round = migrate::PageEncoder::Round;
    encoder_->begin_round(out_->round(), last ? Round::last : Round::more_follow);
    auto const wanted = std::exchange(wanted_, {});
    // The guest waits for the last one: its pages are on their way, and put in their places, while later ones are packed.
    auto const piece = last ? 1 : kPiece;
    for (auto const gfn : wanted) {
        TRY(look_at(gfn));
        TRY(drain(piece));
    }
    flush();
    std::chrono::duration<double, std::micro> const took = Clock::now() - began;
    auto const ended = out_->round_end(last, encoder_->unchanged(), static_cast<std::uint64_t>(took.count()));
    TRY(drain(1));
    return RoundReport{.round = ended.round,
                       .looked_at = wanted.size(),
                       .sent = ended.sent.all(),
                       .octets = out_->written() - before,
                       .ms = took.count() / 1e3};
}

Result<void> Sender::look_at(std::uint64_t number) {
    Gfn const gfn{number};
    if (!book_->layout().index_of(gfn))
        return balloon_moved();
    if (!encoder_->fits(gfn))
        flush();
    auto const page = memory_.page(number);
    if (page.empty())
        encoder_->add_absent(gfn);
    else
        encoder_->add(gfn, page.first<hypervisor::kPageSize>());
    return {};
}

void Sender::flush() {
    if (!encoder_->empty())
        out_->batch(encoder_->finish_batch());
}

/// Gives the sink what has collected, if it is at least @p from octets.
Result<void> Sender::drain(std::size_t from) {
    if (out_->pending() < from)
        return {};
    spare_ = out_->take(std::move(spare_));
    return sink_(spare_);
}

Result<void> Sender::finish(std::span<std::byte const> record) {
    if (!out_->domain_record(record))
        return fail(Kind::failed, "the domain's record is too large");
    out_->image_digest(encoder_->digest());
    out_->end();
    return drain(1);
}

} // namespace engine
