/// Foreign bytes for the reader of domain records, in one of two ways, which the first octet says:
///
///     0   the rest is a record
///     1   the rest is changes of a good one: `u16 where, u8 what` each (modulo its length), so that what lies behind the first checks is
///         reached soon
///
/// What is accepted, written again, is what it was.
#pragma once

#include <algorithm>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "unit/record/sample.hpp"

namespace fuzz {

/// The record, made anew of what a reader says is in it; sections that it leaves out are.
inline test::Bytes written_again(base::Bytes input) {
    test::BytesSource source{input};
    auto const contents = std::make_unique<record::Contents>();
    record::Reader reader{source, *contents};
    auto const must = [](base::Status const& status) { ASSERT(status.ok()); };
    must(reader.open());

    test::BytesSink sink;
    record::WriterProgress progress;
    record::Writer writer{sink, progress};
    auto const copy = [&](std::uint32_t type, std::uint32_t index, std::size_t from) {
        auto const& place = contents->place(type, index);
        must(writer.put(input.subspan(place.at + from, place.length - from)));
    };
    must(writer.section(TERN_RECORD_S_domain, 0, reader.domain().value()));
    must(writer.section(TERN_RECORD_S_cpu, 0, reader.cpu().value()));
    must(writer.section(TERN_RECORD_S_time, 0, reader.time().value()));
    writer.begin(TERN_RECORD_S_memory_map, 0);
    for (std::uint32_t i = 0; i < reader.ranges().value(); ++i)
        must(writer.put(reader.range(i).value()));
    must(writer.end());
    for (std::uint32_t i = 0; i < reader.vcpus(); ++i) {
        writer.begin(TERN_RECORD_S_vcpu, i);
        must(writer.put(reader.vcpu(i).value()));
        copy(TERN_RECORD_S_vcpu, i, sizeof(tern_record_vcpu));
        must(writer.end());
    }
    for (std::uint32_t i = 0; i < reader.vcpus(); ++i) {
        if (!contents->place(TERN_RECORD_S_extended_state, i).there())
            continue;
        writer.begin(TERN_RECORD_S_extended_state, i);
        must(writer.put(reader.extended_state(i).value()));
        copy(TERN_RECORD_S_extended_state, i, sizeof(tern_record_extended_state));
        must(writer.end());
    }
    for (std::uint32_t i = 0; i < reader.vcpus(); ++i)
        must(writer.section(TERN_RECORD_S_timers, i, reader.timers(i).value()));
    for (std::uint32_t i = 0; i < reader.vcpus(); ++i)
        must(writer.section(TERN_RECORD_S_areas, i, reader.areas(i).value()));
    writer.begin(TERN_RECORD_S_channels, 0);
    must(writer.put(reader.channel_table().value()));
    copy(TERN_RECORD_S_channels, 0, sizeof(tern_record_channels));
    must(writer.end());
    writer.begin(TERN_RECORD_S_shared_info, 0);
    copy(TERN_RECORD_S_shared_info, 0, 0);
    must(writer.end());
    writer.begin(TERN_RECORD_S_grants, 0);
    must(writer.put(reader.grants().value()));
    copy(TERN_RECORD_S_grants, 0, sizeof(tern_record_grants));
    must(writer.end());
    writer.begin(TERN_RECORD_S_tables, 0);
    must(writer.put(reader.memory().value()));
    copy(TERN_RECORD_S_tables, 0, sizeof(tern_record_tables));
    must(writer.end());
    must(writer.finish());
    return std::move(sink.bytes);
}

/// True if a record was read.
inline bool feed_record(base::Bytes input) {
    if (input.empty())
        return false;
    auto const rest = input.subspan(1);
    test::Bytes bytes{rest.begin(), rest.end()};
    if ((std::to_integer<unsigned>(input[0]) & 1) != 0) {
        bytes = test::Sample{}.written();
        for (std::size_t i = 0; i + 3 <= rest.size(); i += 3)
            bytes[*base::load<std::uint16_t>(rest, i) % bytes.size()] = rest[i + 2];
    }
    if (!test::read_all(bytes).ok())
        return false;
    auto const again = written_again(bytes);
    ASSERT(again.size() <= bytes.size());
    ASSERT(again.size() < bytes.size() || std::equal(again.begin(), again.end(), bytes.begin()));
    return true;
}

} // namespace fuzz
