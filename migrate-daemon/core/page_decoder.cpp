#include "migrate/page_decoder.hpp"

#include <algorithm>
#include <utility>

#include "migrate/delta.hpp"
#include "migrate/pieces.hpp"

namespace migrate {
namespace {

bool builds_on_sent(PageClass kind) {
    return kind == PageClass::delta || kind == PageClass::pieces || kind == PageClass::same;
}

} // namespace

ReceivedPages::ReceivedPages(MemoryLayout layout, std::uint64_t seed)
    : layout_{std::move(layout)}, seed_{seed}, checks_(layout_.frames()), states_(layout_.frames()) {}

Received& Received::operator+=(Received const& other) {
    digest += other.digest;
    frames += other.frames;
    return *this;
}

PageDecoder::PageDecoder(ReceivedPages& book, unsigned stream, unsigned streams, GuestMemory& memory)
    : book_{book}, stream_{stream}, streams_{streams}, memory_{memory}, zero_{hash_page(Page{}, book.seed_)} {}

Streamed<void> PageDecoder::batch(PageBatch const& batch) {
    decoded_.clear();
    writes_.clear();
    TRY(read_old(batch));
    auto contents = TRY(batch.contents(decompressor_, room_));
    for (std::size_t i = 0; i < batch.count(); ++i)
        TRY(decode(batch.entry(i), contents));
    if (!contents.empty())
        return refuse(StreamError::bad_contents);
    return write_out();
}

/// Whether @p entry says how a page that is there has changed.
bool PageDecoder::builds_on_present(PageEntry const& entry) const {
    auto const index = builds_on_sent(entry.kind) ? book_.layout_.index_of(entry.gfn) : std::nullopt;
    return index && stream_of(entry.gfn, streams_) == stream_ && book_.states_[*index] == ReceivedPages::State::present;
}

/// All at once: each reading is a call of the hypervisor.
Streamed<void> PageDecoder::read_old(PageBatch const& batch) {
    old_gfns_.clear();
    for (std::size_t i = 0; i < batch.count(); ++i)
        if (auto const entry = batch.entry(i); builds_on_present(entry))
            old_gfns_.push_back(entry.gfn);
    old_.resize(std::max(old_.size(), old_gfns_.size()));
    next_old_ = 0;
    if (!old_gfns_.empty() && !memory_.read(old_gfns_, std::span{old_}.first(old_gfns_.size())))
        return refuse(StreamError::cannot_read);
    return {};
}

Streamed<void> PageDecoder::decode(PageEntry const& entry, Bytes& contents) {
    using State = ReceivedPages::State;
    if (stream_of(entry.gfn, streams_) != stream_)
        return refuse(StreamError::other_stream);
    auto const index = book_.layout_.index_of(entry.gfn);
    if (!index)
        return refuse(StreamError::no_such_frame);
    bool const present = book_.states_[*index] == State::present;
    if (builds_on_sent(entry.kind) && !present)
        return refuse(StreamError::never_sent);
    if (entry.kind == PageClass::absent) {
        decoded_.push_back({entry, *index, 0});
        return {};
    }
    bool const is_zero = entry.kind == PageClass::zero;
    PageHash hash = zero_;
    std::byte const* page = nullptr;
    if (!is_zero) {
        auto const view = TRY(page_of(entry, contents));
        hash = hash_page(view, book_.seed_);
        page = view.data();
    }
    bool const other_than_before = entry.kind == PageClass::same && hash.check != book_.checks_[*index];
    if (hash.fingerprint != entry.fingerprint || other_than_before)
        return refuse(StreamError::page_differs);
    decoded_.push_back({entry, *index, hash.check});
    if (entry.kind != PageClass::same)
        writes_.push_back({entry.gfn, page, !present});
    return {};
}

Streamed<PageView> PageDecoder::page_of(PageEntry const& entry, Bytes& contents) {
    if (entry.kind == PageClass::full) {
        auto const page = base::slice(contents, 0, base::kPageSize);
        if (!page)
            return refuse(StreamError::bad_contents);
        contents = contents.subspan(base::kPageSize);
        return PageView{*page};
    }
    auto& page = old_[next_old_++];
    bool const applied = entry.kind == PageClass::delta    ? apply_delta(contents, page)
                         : entry.kind == PageClass::pieces ? apply_pieces(contents, page)
                                                           : true;
    if (!applied)
        return refuse(StreamError::bad_delta);
    return PageView{page};
}

Streamed<void> PageDecoder::write_out() {
    if (!writes_.empty() && !memory_.write(writes_))
        return refuse(StreamError::cannot_write);
    for (auto const& page : decoded_) {
        bool const gone = page.entry.kind == PageClass::absent;
        if (gone && book_.states_[page.index] != ReceivedPages::State::absent && !memory_.remove(page.entry.gfn))
            return refuse(StreamError::cannot_write);
        note(page);
    }
    return {};
}

void PageDecoder::note(Decoded const& page) {
    using State = ReceivedPages::State;
    auto& state = book_.states_[page.index];
    auto& check = book_.checks_[page.index];
    if (state == State::never_sent)
        ++received_.frames;
    if (state == State::present)
        received_.digest.remove(page.entry.gfn, check, book_.seed_);
    state = page.entry.kind == PageClass::absent ? State::absent : State::present;
    check = page.check;
    if (state == State::present)
        received_.digest.add(page.entry.gfn, check, book_.seed_);
}

Streamed<void> verify_image(MemoryLayout const& layout, Received const& received, ImageDigest const& sent) {
    if (received.frames != layout.frames())
        return refuse(StreamError::incomplete);
    if (received.digest != sent)
        return refuse(StreamError::image_differs);
    return {};
}

} // namespace migrate
