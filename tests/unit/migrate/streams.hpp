/// Streams for tests: a small one with every kind of record, and tools to take streams apart and break them.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "migrate/octets.hpp"
#include "migrate/stream_format.hpp"
#include "migrate/stream_reader.hpp"
#include "migrate/stream_writer.hpp"

namespace test {

using migrate::Bytes;
using migrate::Gfn;
using Octets = std::vector<std::byte>;

inline constexpr std::uint64_t kSeed = 0x5eed'0123'4567'89ab;

inline migrate::StreamInfo info_of(unsigned index = 0, unsigned streams = 1) {
    migrate::StreamInfo info;
    info.id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    info.seed = kSeed;
    info.index = static_cast<std::uint16_t>(index);
    info.streams = static_cast<std::uint16_t>(streams);
    info.live = true;
    return info;
}

inline migrate::Page page_of(unsigned char value) {
    migrate::Page page;
    page.fill(std::byte{value});
    return page;
}

inline migrate::PageEntry entry_of(Gfn gfn, migrate::PageClass kind, migrate::Page const& page = {}) {
    bool const absent = kind == migrate::PageClass::absent;
    return {gfn, kind, absent ? 0 : migrate::hash_page(page, kSeed).fingerprint};
}

inline migrate::MemoryLayout layout_of(std::initializer_list<std::pair<std::uint64_t, std::uint64_t>> runs) {
    migrate::MemoryLayout layout;
    for (auto const& [first, count] : runs)
        ASSERT(layout.append(Gfn{first}, count));
    return layout;
}

/// Two rounds, packed and plain batches, an optional record.
inline Octets small_stream() {
    using migrate::PageClass;
    migrate::StreamWriter out{info_of()};
    migrate::Compressor compressor;
    migrate::BatchBuilder batch;
    ASSERT(out.description(R"({"name":"web"})"));
    out.note("written by a test");
    ASSERT(out.layout(layout_of({{0, 2}, {16, 1}})));
    batch.add(entry_of(Gfn{0}, PageClass::full, page_of(7)), page_of(7));
    batch.add(entry_of(Gfn{1}, PageClass::zero), {});
    batch.add(entry_of(Gfn{16}, PageClass::absent), {});
    out.batch(batch.finish(0, &compressor, 1));
    out.round_end(false, 0, 1000);
    auto changed = page_of(7);
    changed[8] = std::byte{6};
    Octets delta;
    migrate::put_value(delta, std::uint16_t{12});
    migrate::put_value(delta, migrate::format::DeltaRun{1, 1});
    migrate::put_value(delta, std::uint64_t{1});
    batch.add(entry_of(Gfn{0}, PageClass::delta, changed), delta);
    batch.add(entry_of(Gfn{1}, PageClass::same), {});
    out.batch(batch.finish(1, nullptr, 0));
    out.round_end(true, 1, 2000);
    ASSERT(out.domain_record(migrate::bytes_of("vcpus")));
    migrate::ImageDigest digest;
    digest.add(Gfn{0}, migrate::hash_page(changed, kSeed).check, kSeed);
    digest.add(Gfn{1}, migrate::hash_page(page_of(0), kSeed).check, kSeed);
    out.image_digest(digest);
    out.end();
    return out.take();
}

/// Where records begin in @p stream, and where the stream ends.
inline std::vector<std::size_t> records_in(Bytes stream) {
    std::vector<std::size_t> starts{sizeof(migrate::format::Header)};
    while (starts.back() < stream.size()) {
        auto const head = *base::load<migrate::format::Record>(stream, starts.back());
        starts.push_back(starts.back() + sizeof head + head.length + migrate::format::padding_of(head.length));
    }
    return starts;
}

/// Reads all of it. The error, or StreamError::last if there was none.
inline migrate::StreamError refusal_of(Bytes stream, std::size_t piece = 1 << 20) {
    migrate::StreamReader in;
    for (std::size_t at = 0;;) {
        auto const next = in.next();
        if (!next)
            return next.error();
        if (next.value())
            continue;
        if (at == stream.size())
            break;
        auto const count = std::min(piece, stream.size() - at);
        in.feed(stream.subspan(at, count));
        at += count;
    }
    auto const end = in.finish();
    return end ? migrate::StreamError::last : end.error();
}

/// One record, with hashes that fit, as a stranger may make it.
inline void put_record(Octets& out, std::uint32_t type, std::uint32_t sequence, Bytes payload,
                       migrate::StreamInfo const& info) {
    namespace format = migrate::format;
    format::Record head{type, static_cast<std::uint32_t>(payload.size()), sequence, 0, 0};
    head.header_check = static_cast<std::uint32_t>(migrate::hash64(
        std::as_bytes(std::span{&head, 1}).first(format::kCheckedHeader), format::header_seed(info.seed, info.index)));
    head.payload_check = migrate::hash64(payload, format::payload_seed(info.seed, info.index, sequence));
    migrate::put_value(out, head);
    migrate::put(out, payload);
    out.resize(out.size() + format::padding_of(payload.size()));
}

} // namespace test
