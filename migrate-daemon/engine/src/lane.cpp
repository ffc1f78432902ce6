#include "engine/lane.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace engine {
namespace {

using migrate::Gfn;
using outcome::fail;
using outcome::Kind;
using outcome::Result;
using Clock = std::chrono::steady_clock;

/// Octets that are collected before they go to the sink.
constexpr std::size_t kPiece = 256U << 10;

/// All lanes together keep as many contents as one would; while the guest waits, each has several batches to make, so that both ends work.
migrate::EncoderOptions options_of(migrate::StreamInfo const& info) {
    constexpr std::size_t kFewestPages = 16;
    migrate::EncoderOptions options;
    options.stream = info.index;
    options.streams = info.streams;
    options.hot_pages /= info.streams;
    options.last_batch_pages = std::max(kFewestPages, options.last_batch_pages / info.streams);
    return options;
}

} // namespace

base::Err<outcome::Failure> balloon_moved() {
    return fail(Kind::failed, "the domain's memory became more or less meanwhile", "try again when its balloon rests");
}

Lane::Lane(migrate::StreamInfo const& info, migrate::SentPages& book, hypervisor::GuestMemory& memory, int level,
           Sink const& sink)
    : index_{info.index},
      streams_{info.streams},
      book_{book},
      memory_{memory},
      sink_{sink},
      encoder_{book, options_of(info)},
      out_{info} {
    encoder_.set_level(level);
}

Result<migrate::RoundEnd> Lane::round(std::span<std::uint64_t const> wanted, bool last) {
    using Round = migrate::PageEncoder::Round;
    auto const began = Clock::now();
    encoder_.begin_round(out_.round(), last ? Round::last : Round::more_follow);
    // The guest waits for the last one: its pages are on their way, and put in their places, while later ones are packed.
    auto const piece = last ? 1 : kPiece;
    for (auto const number : wanted) {
        Gfn const gfn{number};
        if (migrate::stream_of(gfn, streams_) != index_)
            continue;
        TRY(look_at(gfn));
        TRY(drain(piece));
    }
    flush();
    std::chrono::duration<double, std::micro> const took = Clock::now() - began;
    auto const ended = out_.round_end(last, encoder_.unchanged(), static_cast<std::uint64_t>(took.count()));
    if (!last) // else what is left of it goes with the record, in one piece
        TRY(drain(1));
    return ended;
}

Result<void> Lane::look_at(Gfn gfn) {
    if (!book_.layout().index_of(gfn))
        return balloon_moved();
    if (!encoder_.fits(gfn))
        flush();
    auto const page = memory_.page(gfn.raw());
    if (page.empty())
        encoder_.add_absent(gfn);
    else
        encoder_.add(gfn, page.first<hypervisor::kPageSize>());
    return {};
}

void Lane::flush() {
    if (!encoder_.empty())
        out_.batch(encoder_.finish_batch());
}

/// Gives the sink what has collected, if it is at least @p from octets.
Result<void> Lane::drain(std::size_t from) {
    if (out_.pending() < from)
        return {};
    spare_ = out_.take(std::move(spare_));
    return sink_(index_, spare_);
}

} // namespace engine
