/// Foreign octets as a migration stream. Bit 0 of the first octet chooses: as they are; or as records (type, length, payload) that
/// get hashes and sequence numbers which fit, so that what lies behind those is reached. Bits 1 to 3 choose the size of the pieces.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "migrate/page_decoder.hpp"
#include "unit/migrate/streams.hpp"

namespace fuzz {

/// A new domain's memory that takes what it is given.
struct Memory final : migrate::GuestMemory {
    std::map<migrate::Gfn, migrate::Page> pages;

    bool write(std::span<migrate::PageWrite const> list) override {
        for (auto const& one : list) {
            auto& page = pages[one.gfn];
            one.page == nullptr ? void(page = {}) : void(std::memcpy(page.data(), one.page, page.size()));
        }
        return true;
    }
    bool read(std::span<migrate::Gfn const> gfns, std::span<migrate::Page> into) override {
        for (std::size_t i = 0; i < gfns.size(); ++i) {
            ASSERT(pages.count(gfns[i]) == 1); // it is asked only for what it was given
            into[i] = pages[gfns[i]];
        }
        return true;
    }
    bool remove(migrate::Gfn gfn) override {
        pages.erase(gfn);
        return true;
    }
};

inline std::vector<std::byte> with_hashes(base::Bytes input) {
    auto stream = migrate::StreamWriter{test::info_of()}.take();
    std::uint32_t sequence = 0;
    struct Head {
        std::uint32_t type;
        std::uint32_t length;
    };
    while (auto const head = base::load<Head>(input)) {
        input = input.subspan(sizeof *head);
        auto const payload = input.first(std::min<std::size_t>(head->length, input.size()));
        test::put_record(stream, head->type, sequence++, payload, test::info_of());
        input = input.subspan(payload.size());
    }
    return stream;
}

/// Reads the stream in pieces; its pages are decoded if the guest is small. True if it was read to its end.
inline bool read_stream(base::Bytes stream, std::size_t piece) {
    migrate::StreamReader in;
    Memory memory;
    std::optional<migrate::ReceivedPages> book;
    std::optional<migrate::PageDecoder> decoder;
    for (std::size_t at = 0;;) {
        auto const next = in.next();
        if (!next) {
            ASSERT(!migrate::text_of(next.error()).empty() && in.offset() <= stream.size());
            ASSERT(!in.next().ok() && !in.finish().ok());
            return false;
        }
        if (auto const& record = next.value()) {
            auto const* layout = std::get_if<migrate::MemoryLayout>(&*record);
            if (layout != nullptr && layout->frames() <= 10'000) {
                book.emplace(*layout, in.info()->seed);
                decoder.emplace(*book, in.info()->index, in.info()->streams, memory);
            }
            if (auto const* batch = std::get_if<migrate::PageBatch>(&*record); batch != nullptr && decoder)
                if (!decoder->batch(*batch))
                    return false;
            continue;
        }
        if (at == stream.size())
            return in.finish().ok();
        auto const count = std::min(piece, stream.size() - at);
        in.feed(stream.subspan(at, count));
        at += count;
    }
}

inline bool feed_stream(base::Bytes input) {
    if (input.empty())
        return false;
    auto const choice = static_cast<unsigned>(input[0]);
    auto const piece = std::size_t{1} << (2 * (choice >> 1 & 7) + 3);
    input = input.subspan(1);
    return (choice & 1) == 0 ? read_stream(input, piece) : read_stream(with_hashes(input), piece);
}

} // namespace fuzz
