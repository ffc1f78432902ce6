/// Octets in, records out; whatever the octets are.
///
///     StreamReader in;
///     while (…) {
///         n = read(fd, in.room(64 KiB)); in.filled(n);             // or in.feed(bytes)
///         while (auto const next = in.next()) {                    // Streamed<std::optional<Record>>
///             if (!next.value()) break;                            // needs more octets
///             std::visit(…, *next.value());
///         }
///     }
///     if (auto const end = in.finish(); !end) complain(sentence(end.error(), in.offset()));
///
/// A record is handed out when all of it is there and everything that docs/migration-stream.md says of it alone, and of its place
/// in the stream, holds. What it says of pages (PageDecoder) is not looked at here. After a refusal the reader only repeats it.
/// Memory: one record (at most 16 MiB, and only as its octets arrive) and what was fed beyond it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrate/record_order.hpp"
#include "migrate/records.hpp"

namespace migrate {

class StreamReader {
  public:
    /// Memory for up to @p octets more; tell how many it became with filled(). What next() handed out dies.
    [[nodiscard]] std::span<std::byte> room(std::size_t octets);
    /// REQUIRES: octets <= what the last room() gave.
    void filled(std::size_t octets);
    /// The same by a copy.
    void feed(Bytes octets);

    /// The next record; nothing if more octets are needed. What an earlier one points to dies. Unknown optional records are skipped.
    [[nodiscard]] Streamed<std::optional<Record>> next();

    /// There are no more octets: fine only after the end record, and if nothing follows it.
    [[nodiscard]] Streamed<void> finish();

    /// What the header says; nothing before it is there (after the first next() that asks for no more than 64 octets).
    [[nodiscard]] std::optional<StreamInfo> const& info() const { return info_; }
    [[nodiscard]] bool ended() const { return order_.ended(); }
    /// Where the record begins that was handed out or refused last.
    [[nodiscard]] std::uint64_t offset() const { return offset_; }
    /// The round that pages are read of.
    [[nodiscard]] std::uint32_t round() const { return order_.round(); }
    /// Octets that its buffer takes.
    [[nodiscard]] std::size_t memory() const { return buffer_.capacity(); }

  private:
    Streamed<std::optional<Record>> step();
    Streamed<bool> read_header();
    Streamed<Record> parse(RecordType type, Bytes payload);
    [[nodiscard]] Bytes unread() const { return Bytes{buffer_}.subspan(begin_, end_ - begin_); }
    void consume(std::size_t octets);

    std::vector<std::byte> buffer_; ///< unread octets lie from begin_ to end_
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::uint64_t offset_ = 0;   ///< of the record handed out last
    std::uint64_t consumed_ = 0; ///< offset of begin_ in the stream
    std::uint32_t sequence_ = 0;
    std::optional<StreamInfo> info_;
    RecordOrder order_{true};
    std::optional<StreamError> refused_;
};

} // namespace migrate
