#include "migrate/page_encoder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "migrate/delta.hpp"

namespace migrate {
namespace {

constexpr Page kZeroPage{};

} // namespace

SentPages::SentPages(MemoryLayout layout, std::uint64_t seed)
    : layout_{std::move(layout)},
      seed_{seed},
      hashes_(layout_.frames()),
      states_(layout_.frames()),
      pieces_(layout_.frames()) {}

PageEncoder::PageEncoder(SentPages& book, EncoderOptions const& options)
    : book_{book},
      options_{options},
      hot_{options.hot_pages},
      zero_{hash_page(kZeroPage, book.seed())},
      zero_pieces_{hash_pieces(kZeroPage, book.seed())} {
    ASSERT(options.streams >= 1 && options.stream < options.streams);
    ASSERT(options.batch_pages >= 1 && options.batch_pages <= kMostBatchPages && options.most_delta <= kMostDelta);
}

void PageEncoder::begin_round(std::uint32_t number, Round round) {
    ASSERT(empty());
    round_ = number;
    last_round_ = round == Round::last;
    unchanged_ = 0;
}

bool PageEncoder::fits(Gfn gfn) const {
    auto const most = last_round_ ? std::min(options_.last_batch_pages, options_.batch_pages) : options_.batch_pages;
    return empty() || (batch_.count() < most && last_ < gfn);
}

std::uint64_t PageEncoder::index_of(Gfn gfn) const {
    ASSERT(stream_of(gfn, options_.streams) == options_.stream);
    auto const index = book_.layout_.index_of(gfn);
    ASSERT(index.has_value());
    return *index;
}

void PageEncoder::add(Gfn gfn, PageView page) {
    using State = SentPages::State;
    auto const index = index_of(gfn);
    std::memcpy(copy_.data(), page.data(), copy_.size());
    bool const is_zero = std::memcmp(copy_.data(), kZeroPage.data(), copy_.size()) == 0;
    auto const now = is_zero ? zero_ : hash_page(copy_, book_.seed_);
    auto& before = book_.hashes_[index];
    auto& state = book_.states_[index];

    if (state == State::present && before == now) {
        if (state_unchanged_)
            say(gfn, PageClass::same, now.fingerprint, {});
        else
            ++unchanged_;
        return;
    }
    if (state == State::present)
        digest_.remove(gfn, before.check, book_.seed_);
    digest_.add(gfn, now.check, book_.seed_);
    bool const again = state == State::present;
    before = now;
    state = State::present;
    if (is_zero) {
        hot_.forget(gfn);
        book_.pieces_[index] = zero_pieces_;
        say(gfn, PageClass::zero, now.fingerprint, {});
    } else {
        say_contents(gfn, index, again);
    }
}

/// Only what has changed, if that is known and not much.
void PageEncoder::say_contents(Gfn gfn, std::uint64_t index, bool again) {
    auto const fingerprint = book_.hashes_[index].fingerprint;
    auto const pieces = hash_pieces(copy_, book_.seed_);
    auto const before = std::exchange(book_.pieces_[index], pieces);
    auto const* const sent = hot_.find(gfn, round_);
    delta_.clear();
    if (sent != nullptr && encode_delta(*sent, copy_, options_.most_delta, delta_))
        say(gfn, PageClass::delta, fingerprint, delta_);
    else if (again && encode_pieces(before, pieces, copy_, options_.most_delta, delta_))
        say(gfn, PageClass::pieces, fingerprint, delta_);
    else
        say(gfn, PageClass::full, fingerprint, copy_);
    if (again && !last_round_)
        hot_.keep(gfn, copy_, round_);
}

void PageEncoder::add_absent(Gfn gfn) {
    using State = SentPages::State;
    auto const index = index_of(gfn);
    auto& state = book_.states_[index];
    if (state == State::absent) {
        ++unchanged_;
        return;
    }
    if (state == State::present)
        digest_.remove(gfn, book_.hashes_[index].check, book_.seed_);
    state = State::absent;
    hot_.forget(gfn);
    say(gfn, PageClass::absent, 0, {});
}

void PageEncoder::say(Gfn gfn, PageClass kind, std::uint64_t fingerprint, Bytes contents) {
    ASSERT(fits(gfn));
    batch_.add({gfn, kind, fingerprint}, contents);
    last_ = gfn;
}

EncodedBatch PageEncoder::finish_batch() { return batch_.finish(round_, level_ == 0 ? nullptr : &compressor_, level_); }

} // namespace migrate
