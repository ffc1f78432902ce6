#include "migrate/stream_writer.hpp"

#include <utility>

#include "migrate/octets.hpp"
#include "migrate/stream_format.hpp"

namespace migrate {
namespace {

format::Header header_of(StreamInfo const& info) {
    format::Header header{};
    header.magic = format::kMagic;
    header.version = format::kVersion;
    header.index = info.index;
    header.streams = info.streams;
    header.flags = (info.live ? format::kLive : 0) | (info.connection ? format::kConnection : 0);
    header.page_size = base::kPageSize;
    header.id = info.id;
    header.seed = info.seed;
    header.check = hash64(std::as_bytes(std::span{&header, 1}).first(offsetof(format::Header, check)), 0);
    return header;
}

} // namespace

StreamWriter::StreamWriter(StreamInfo const& info) : info_{info}, order_{info.primary()} {
    ASSERT(info.streams >= 1 && info.streams <= kMostStreams && info.index < info.streams);
    put_value(out_, header_of(info));
}

void StreamWriter::record(RecordType type, Bytes payload) {
    ASSERT(payload.size() <= most_payload(type));
    ASSERT(sequence_ != ~std::uint32_t{0});
    format::Record head{static_cast<std::uint32_t>(type), static_cast<std::uint32_t>(payload.size()), sequence_, 0, 0};
    head.header_check =
        static_cast<std::uint32_t>(hash64(std::as_bytes(std::span{&head, 1}).first(format::kCheckedHeader),
                                          format::header_seed(info_.seed, info_.index)));
    head.payload_check = hash64(payload, format::payload_seed(info_.seed, info_.index, sequence_));
    ++sequence_;
    put_value(out_, head);
    put(out_, payload);
    out_.resize(out_.size() + format::padding_of(payload.size()));
}

bool StreamWriter::description(std::string_view json) {
    if (json.empty() || json.size() > most_payload(RecordType::description))
        return false;
    order_.description().value();
    record(RecordType::description, bytes_of(json));
    return true;
}

bool StreamWriter::layout(MemoryLayout const& layout) {
    std::vector<std::byte> payload;
    if (!layout.write(payload))
        return false;
    order_.layout().value();
    record(RecordType::layout, payload);
    return true;
}

void StreamWriter::batch(EncodedBatch const& batch) {
    order_.batch(batch.round, batch.counts, batch.payload.size()).value();
    record(RecordType::page_batch, batch.payload);
}

RoundEnd StreamWriter::round_end(bool stopped, std::uint64_t unchanged, std::uint64_t microseconds) {
    RoundEnd const end{order_.round(), stopped, order_.sent(), unchanged, order_.octets(), microseconds};
    order_.round_end(end).value();
    format::RoundEnd const raw{end.round,
                               stopped ? format::kStopped : 0,
                               end.sent.full,
                               end.sent.zero,
                               end.sent.delta,
                               end.sent.same,
                               end.sent.absent,
                               unchanged,
                               end.octets,
                               microseconds,
                               0};
    record(RecordType::round_end, std::as_bytes(std::span{&raw, 1}));
    return end;
}

bool StreamWriter::domain_record(Bytes bytes) {
    if (bytes.empty() || bytes.size() > most_payload(RecordType::domain_record))
        return false;
    order_.domain_record().value();
    record(RecordType::domain_record, bytes);
    return true;
}

void StreamWriter::image_digest(ImageDigest const& digest) {
    order_.digest().value();
    format::Digest const raw{digest.pages, digest.low, digest.high};
    record(RecordType::image_digest, std::as_bytes(std::span{&raw, 1}));
}

void StreamWriter::end() {
    order_.end().value();
    record(RecordType::end, {});
}

void StreamWriter::note(std::string_view text) {
    ASSERT(!order_.ended());
    record(RecordType::note, bytes_of(text.substr(0, most_payload(RecordType::note))));
}

std::vector<std::byte> StreamWriter::take(std::vector<std::byte> spare) {
    taken_ += out_.size();
    spare.clear();
    return std::exchange(out_, std::move(spare));
}

} // namespace migrate
