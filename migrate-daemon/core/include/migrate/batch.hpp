/// A batch of pages: how it is made, and how it is read.
///
///     BatchBuilder batch;                                        PageBatch const batch = TRY(PageBatch::parse(payload));
///     batch.add({gfn, PageClass::full, fingerprint}, page);      Bytes contents = TRY(batch.contents(decompressor, room));
///     EncodedBatch const done = batch.finish(round, …);          for (… i < batch.count()) batch.entry(i) …
#pragma once

#include <cstdint>
#include <vector>

#include "migrate/page.hpp"
#include "migrate/stream_error.hpp"
#include "migrate/zstd.hpp"

namespace migrate {

inline constexpr std::size_t kMostBatchPages = 256;
inline constexpr std::size_t kMostDelta = 4094; ///< octets of runs

enum class PageClass : std::uint8_t {
    full = 1,   ///< all of it
    zero = 2,   ///< nothing but zeros
    delta = 3,  ///< what differs from what was last sent
    same = 4,   ///< as last sent; stated, so that it is verified
    absent = 5, ///< the guest has given this frame up
    pieces = 6  ///< the pieces that differ from what was last sent
};

struct PageEntry {
    Gfn gfn;
    PageClass kind = PageClass::full;
    std::uint64_t fingerprint = 0; ///< of the page when the receiver is done with it; 0 if absent

    bool operator==(PageEntry const&) const = default;
};

/// How many pages of each class.
struct PageCounts {
    std::uint64_t full = 0;
    std::uint64_t zero = 0;
    std::uint64_t delta = 0; ///< and pieces
    std::uint64_t same = 0;
    std::uint64_t absent = 0;

    void count(PageClass kind);
    PageCounts& operator+=(PageCounts const& other);
    [[nodiscard]] std::uint64_t all() const { return full + zero + delta + same + absent; }
    bool operator==(PageCounts const&) const = default;
};

/// A batch ready to be written: the payload of its record, and what is in it.
struct EncodedBatch {
    std::vector<std::byte> payload;
    std::uint32_t round = 0;
    PageCounts counts;
    std::uint32_t contents = 0; ///< octets before they were packed
};

class BatchBuilder {
  public:
    /// REQUIRES: !full(); gfn above the last one added; contents are what the class says (docs/migration-stream.md).
    void add(PageEntry const& entry, Bytes contents);

    [[nodiscard]] std::size_t count() const { return entries_.size(); }
    [[nodiscard]] bool full() const { return entries_.size() == kMostBatchPages; }

    /// The batch, packed by @p compressor at @p level; plain if it is null, or if packing does not help. Then begins anew.
    /// REQUIRES: count() > 0.
    [[nodiscard]] EncodedBatch finish(std::uint32_t round, Compressor* compressor, int level);

  private:
    std::vector<PageEntry> entries_;
    std::vector<std::byte> contents_;
    PageCounts counts_;
};

/// A batch as it stands in its record: checked as far as that goes without unpacking it. Lives as long as the payload.
class PageBatch {
  public:
    static Streamed<PageBatch> parse(Bytes payload);

    [[nodiscard]] std::uint32_t round() const { return round_; }
    [[nodiscard]] std::size_t count() const { return entries_.size() / 16; }
    /// REQUIRES: index < count().
    [[nodiscard]] PageEntry entry(std::size_t index) const;
    [[nodiscard]] PageCounts const& counts() const { return counts_; }
    /// Octets of the record's payload.
    [[nodiscard]] std::size_t payload_size() const { return 16 + entries_.size() + coded_.size(); }

    /// What all pages contain, one after the other; plain or unpacked into @p room, which grows up to 1 MiB.
    Streamed<Bytes> contents(Decompressor& decompressor, std::vector<std::byte>& room) const;

  private:
    std::uint32_t round_ = 0;
    bool packed_ = false;
    std::uint32_t decoded_ = 0;
    Bytes entries_;
    Bytes coded_;
    PageCounts counts_;
};

} // namespace migrate
