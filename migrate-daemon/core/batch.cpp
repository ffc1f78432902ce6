#include "migrate/batch.hpp"

#include <utility>

#include "migrate/octets.hpp"
#include "migrate/stream_format.hpp"

namespace migrate {

void PageCounts::count(PageClass kind) {
    switch (kind) {
    case PageClass::full: ++full; return;
    case PageClass::zero: ++zero; return;
    case PageClass::delta:
    case PageClass::pieces: ++delta; return;
    case PageClass::same: ++same; return;
    case PageClass::absent: ++absent; return;
    }
}

PageCounts& PageCounts::operator+=(PageCounts const& other) {
    full += other.full;
    zero += other.zero;
    delta += other.delta;
    same += other.same;
    absent += other.absent;
    return *this;
}

void BatchBuilder::add(PageEntry const& entry, Bytes contents) {
    ASSERT(!full() && entry.gfn.raw() < kGfnLimit);
    ASSERT(entries_.empty() || entries_.back().gfn < entry.gfn);
    entries_.push_back(entry);
    counts_.count(entry.kind);
    put(contents_, contents);
}

EncodedBatch BatchBuilder::finish(std::uint32_t round, Compressor* compressor, int level) {
    ASSERT(!entries_.empty());
    EncodedBatch batch;
    batch.round = round;
    batch.counts = counts_;
    batch.contents = static_cast<std::uint32_t>(contents_.size());

    constexpr auto kHead = sizeof(format::BatchHead);
    auto& payload = batch.payload;
    payload.reserve(kHead + entries_.size() * sizeof(format::BatchEntry) + contents_.size());
    payload.resize(kHead); // filled in last
    for (auto const& entry : entries_)
        put_value(payload, format::BatchEntry{entry.gfn.raw() | std::uint64_t(entry.kind) << format::kClassShift,
                                              entry.fingerprint});
    auto const before = payload.size();
    bool const packed = compressor != nullptr && !contents_.empty() && compressor->pack(contents_, level, payload);
    if (!packed)
        put(payload, contents_);
    format::BatchHead const head{round,
                                 static_cast<std::uint16_t>(entries_.size()),
                                 static_cast<std::uint8_t>(packed ? 1 : 0),
                                 0,
                                 batch.contents,
                                 static_cast<std::uint32_t>(payload.size() - before)};
    std::memcpy(payload.data(), &head, kHead);

    entries_.clear();
    contents_.clear();
    counts_ = {};
    return batch;
}

} // namespace migrate
