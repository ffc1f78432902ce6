#include "migrate/record_order.hpp"

namespace migrate {

std::uint32_t most_payload(RecordType type) {
    switch (type) {
    case RecordType::description: return 1U << 20;
    case RecordType::page_batch: return (1U << 20) + (4U << 10) + 16;
    case RecordType::round_end: return 80;
    case RecordType::image_digest: return 24;
    case RecordType::end: return 0;
    case RecordType::note: return 64U << 10;
    case RecordType::layout:
    case RecordType::domain_record: break;
    }
    return kMostPayload;
}

Streamed<void> RecordOrder::step(Next expected, Next then) {
    if (next_ != expected)
        return refuse(StreamError::misplaced);
    next_ = then;
    return {};
}

Streamed<void> RecordOrder::batch(std::uint32_t round, PageCounts const& counts, std::uint64_t octets) {
    TRY(step(Next::round, Next::round));
    if (round != round_)
        return refuse(StreamError::wrong_round);
    sent_ += counts;
    octets_ += octets;
    return {};
}

Streamed<void> RecordOrder::round_end(RoundEnd const& end) {
    auto const after_last = primary_ ? Next::domain_record : Next::end;
    TRY(step(Next::round, end.stopped ? after_last : Next::round));
    if (end.round != round_)
        return refuse(StreamError::wrong_round);
    if (end.sent != sent_ || end.octets != octets_)
        return refuse(StreamError::round_differs);
    ++round_;
    sent_ = {};
    octets_ = 0;
    return {};
}

} // namespace migrate
