#include "migrate/stream_reader.hpp"

#include <algorithm>
#include <cstring>

#include "migrate/stream_format.hpp"

namespace migrate {
namespace {

std::string_view text_in(Bytes bytes) { return {reinterpret_cast<char const*>(bytes.data()), bytes.size()}; }

Streamed<StreamInfo> parse_header(format::Header const& raw) {
    if (raw.magic != format::kMagic)
        return refuse(StreamError::not_a_stream);
    auto const checked = std::as_bytes(std::span{&raw, 1}).first(offsetof(format::Header, check));
    if (hash64(checked, 0) != raw.check)
        return refuse(StreamError::header_corrupt);
    if (raw.version > format::kVersion)
        return refuse(StreamError::newer_version);
    if (raw.page_size != base::kPageSize)
        return refuse(StreamError::other_page_size);
    bool const counts = raw.streams >= 1 && raw.streams <= kMostStreams && raw.index < raw.streams;
    bool const reserved = raw.reserved0 == 0 && raw.reserved1 == 0 &&
                          (raw.flags & ~(format::kLive | format::kConnection)) == 0 && raw.version != 0;
    if (!counts || !reserved)
        return refuse(StreamError::header_malformed);
    return StreamInfo{raw.id,
                      raw.seed,
                      raw.index,
                      raw.streams,
                      (raw.flags & format::kLive) != 0,
                      (raw.flags & format::kConnection) != 0};
}

Streamed<RoundEnd> parse_round_end(Bytes payload) {
    auto const raw = base::load<format::RoundEnd>(payload);
    if (!raw || payload.size() != sizeof *raw || (raw->flags & ~format::kStopped) != 0 || raw->reserved != 0)
        return refuse(StreamError::bad_round_end);
    return RoundEnd{raw->round,
                    raw->flags == format::kStopped,
                    {raw->full, raw->zero, raw->delta, raw->same, raw->absent},
                    raw->unchanged,
                    raw->octets,
                    raw->microseconds};
}

bool known(std::uint32_t type) {
    return (type >= std::uint32_t(RecordType::description) && type <= std::uint32_t(RecordType::end)) ||
           type == std::uint32_t(RecordType::note);
}

} // namespace

std::span<std::byte> StreamReader::room(std::size_t octets) {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (buffer_.size() - end_ < octets)
        buffer_.resize(end_ + octets);
    return std::span{buffer_}.subspan(end_, octets);
}

void StreamReader::filled(std::size_t octets) {
    ASSERT(octets <= buffer_.size() - end_);
    end_ += octets;
}

void StreamReader::feed(Bytes octets) {
    std::copy(octets.begin(), octets.end(), room(octets.size()).begin());
    filled(octets.size());
}

void StreamReader::consume(std::size_t octets) {
    begin_ += octets;
    consumed_ += octets;
}

Streamed<std::optional<Record>> StreamReader::next() {
    if (refused_)
        return refuse(*refused_);
    auto record = step();
    if (!record)
        refused_ = record.error();
    return record;
}

Streamed<bool> StreamReader::read_header() {
    auto const magic = unread().first(std::min(unread().size(), format::kMagic.size()));
    if (!std::equal(magic.begin(), magic.end(), std::as_bytes(std::span{format::kMagic}).begin()))
        return refuse(StreamError::not_a_stream); // said as soon as it is known
    auto const raw = base::load<format::Header>(unread());
    if (!raw)
        return false;
    info_ = TRY(parse_header(*raw));
    order_ = RecordOrder{info_->primary()};
    consume(sizeof *raw);
    return true;
}

Streamed<std::optional<Record>> StreamReader::step() {
    if (!info_ && !TRY(read_header()))
        return std::optional<Record>{};
    for (;;) {
        offset_ = consumed_;
        if (order_.ended() && !unread().empty())
            return refuse(StreamError::after_the_end);
        auto const head = base::load<format::Record>(unread());
        if (!head)
            return std::optional<Record>{};
        auto const check =
            hash64(unread().first(format::kCheckedHeader), format::header_seed(info_->seed, info_->index));
        if (static_cast<std::uint32_t>(check) != head->header_check)
            return refuse(StreamError::record_corrupt);
        if (head->sequence != sequence_)
            return refuse(StreamError::out_of_sequence);
        bool const skip = !known(head->type);
        if (skip && (head->type & kOptionalRecord) == 0)
            return refuse(StreamError::unknown_record);
        if (head->length > (skip ? kMostPayload : most_payload(RecordType(head->type))))
            return refuse(StreamError::too_long);

        auto const padding = format::padding_of(head->length);
        auto const body = base::slice(unread(), sizeof *head, head->length + padding);
        if (!body)
            return std::optional<Record>{};
        auto const payload = body->first(head->length);
        if (hash64(payload, format::payload_seed(info_->seed, info_->index, sequence_)) != head->payload_check)
            return refuse(StreamError::record_corrupt);
        auto const zeros = body->last(padding);
        if (std::any_of(zeros.begin(), zeros.end(), [](std::byte one) { return one != std::byte{0}; }))
            return refuse(StreamError::bad_padding);
        ++sequence_;
        consume(sizeof *head + body->size());
        if (!skip)
            return std::optional{TRY(parse(RecordType(head->type), payload))};
    }
}

Streamed<Record> StreamReader::parse(RecordType type, Bytes payload) {
    switch (type) {
    case RecordType::description:
        TRY(order_.description());
        if (payload.empty())
            return refuse(StreamError::bad_description);
        return Record{Description{text_in(payload)}};
    case RecordType::layout: TRY(order_.layout()); return Record{TRY(MemoryLayout::parse(payload))};
    case RecordType::page_batch: {
        auto const batch = TRY(PageBatch::parse(payload));
        TRY(order_.batch(batch.round(), batch.counts(), payload.size()));
        return Record{batch};
    }
    case RecordType::round_end: {
        auto const end = TRY(parse_round_end(payload));
        TRY(order_.round_end(end));
        return Record{end};
    }
    case RecordType::domain_record:
        TRY(order_.domain_record());
        if (payload.empty())
            return refuse(StreamError::bad_domain_record);
        return Record{DomainRecord{payload}};
    case RecordType::image_digest: {
        TRY(order_.digest());
        auto const raw = base::load<format::Digest>(payload);
        if (!raw || payload.size() != sizeof *raw)
            return refuse(StreamError::bad_digest);
        return Record{ImageDigest{raw->pages, raw->low, raw->high}};
    }
    case RecordType::end: TRY(order_.end()); return Record{End{}};
    case RecordType::note: return Record{Note{text_in(payload)}};
    }
    return refuse(StreamError::unknown_record);
}

Streamed<void> StreamReader::finish() {
    if (refused_)
        return refuse(*refused_);
    if (order_.ended() && unread().empty())
        return {};
    refused_ = order_.ended() ? StreamError::after_the_end : StreamError::cut_off;
    offset_ = consumed_;
    return refuse(*refused_);
}

} // namespace migrate
