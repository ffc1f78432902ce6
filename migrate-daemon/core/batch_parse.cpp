/// A batch from a stranger: every number is checked before it is used.
#include "migrate/batch.hpp"

#include "migrate/stream_format.hpp"

namespace migrate {
namespace {

static_assert(sizeof(format::BatchEntry) == 16 && sizeof(format::BatchHead) == 16); // as PageBatch counts

constexpr std::uint64_t kReservedBits = ~((kGfnLimit - 1) | std::uint64_t{0xf} << format::kClassShift);

bool well_formed(format::BatchEntry const& raw) {
    auto const kind = raw.gfn_and_class >> format::kClassShift;
    bool const known = kind >= std::uint64_t(PageClass::full) && kind <= std::uint64_t(PageClass::pieces);
    bool const absent = kind == std::uint64_t(PageClass::absent);
    return known && (raw.gfn_and_class & kReservedBits) == 0 && (!absent || raw.fingerprint == 0);
}

/// Whether pages of these classes can have so many octets of contents. (Pieces are no longer than the longest delta.)
bool plausible(PageCounts const& counts, std::uint64_t octets) {
    auto const full = counts.full * base::kPageSize;
    return octets >= full + counts.delta * sizeof(std::uint16_t) &&
           octets <= full + counts.delta * (sizeof(std::uint16_t) + kMostDelta);
}

} // namespace

Streamed<PageBatch> PageBatch::parse(Bytes payload) {
    auto const head = base::load<format::BatchHead>(payload);
    if (!head || head->reserved != 0 || head->coding > 1 || head->count == 0 || head->count > kMostBatchPages)
        return refuse(StreamError::bad_batch);
    auto const entries = base::slice(payload, sizeof *head, head->count * sizeof(format::BatchEntry));
    if (!entries || payload.size() - sizeof *head - entries->size() != head->coded)
        return refuse(StreamError::bad_batch);
    if (head->coding == 0 ? head->coded != head->decoded : head->coded >= head->decoded)
        return refuse(StreamError::bad_batch);

    PageBatch batch;
    batch.round_ = head->round;
    batch.packed_ = head->coding == 1;
    batch.decoded_ = head->decoded;
    batch.entries_ = *entries;
    batch.coded_ = payload.subspan(sizeof *head + entries->size());
    std::uint64_t above = 0; // gfns rise
    for (std::size_t i = 0; i < head->count; ++i) {
        if (!well_formed(*base::load<format::BatchEntry>(*entries, i * sizeof(format::BatchEntry))))
            return refuse(StreamError::bad_batch);
        auto const entry = batch.entry(i);
        if (entry.gfn.raw() < above)
            return refuse(StreamError::bad_batch);
        above = entry.gfn.raw() + 1;
        batch.counts_.count(entry.kind);
    }
    if (!plausible(batch.counts_, head->decoded))
        return refuse(StreamError::bad_batch);
    return batch;
}

PageEntry PageBatch::entry(std::size_t index) const {
    auto const raw = base::load<format::BatchEntry>(entries_, index * sizeof(format::BatchEntry));
    ASSERT(raw.has_value());
    return {Gfn{raw->gfn_and_class & (kGfnLimit - 1)}, PageClass(raw->gfn_and_class >> format::kClassShift),
            raw->fingerprint};
}

Streamed<Bytes> PageBatch::contents(Decompressor& decompressor, std::vector<std::byte>& room) const {
    if (!packed_)
        return coded_;
    if (room.size() < decoded_)
        room.resize(decoded_); // at most what plausible() lets pass: 1 MiB
    auto const out = std::span{room}.first(decoded_);
    if (!decompressor.unpack(coded_, out))
        return refuse(StreamError::bad_contents);
    return Bytes{out};
}

} // namespace migrate
