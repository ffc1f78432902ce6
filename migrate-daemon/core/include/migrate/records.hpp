/// What a stream is made of, as values. Spans and strings that a reader hands out lie in its memory and live until it is asked
/// for the next record.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>

#include "migrate/batch.hpp"
#include "migrate/hash.hpp"
#include "migrate/layout.hpp"
#include "migrate/page.hpp"

namespace migrate {

/// Sixteen octets that name a migration in its streams, messages, journals and logs.
using MigrationId = std::array<std::uint8_t, 16>;

inline constexpr unsigned kMostStreams = 16;

/// What a stream says of itself before its first record. @p id and @p seed are the same in all streams of a migration;
/// draw the seed at random.
struct StreamInfo {
    MigrationId id{};
    std::uint64_t seed = 0;
    std::uint16_t index = 0; ///< stream 0 is the primary one
    std::uint16_t streams = 1;
    bool live = false;       ///< the guest ran during the first round
    bool connection = false; ///< not a file

    [[nodiscard]] bool primary() const { return index == 0; }
    bool operator==(StreamInfo const&) const = default;
};

enum class RecordType : std::uint32_t {
    description = 1,
    layout = 2,
    page_batch = 3,
    round_end = 4,
    domain_record = 5,
    image_digest = 6,
    end = 7,
    note = 0x8000'0001,
};
inline constexpr std::uint32_t kOptionalRecord = 0x8000'0000;
inline constexpr std::uint32_t kMostPayload = 16U << 20;

/// Octets that a payload of this type has at most.
[[nodiscard]] std::uint32_t most_payload(RecordType type);

struct Description {
    std::string_view json;
};

/// What one stream did in one round.
struct RoundEnd {
    std::uint32_t round = 0;
    bool stopped = false; ///< the guest stood still: this was the last round
    PageCounts sent;
    std::uint64_t unchanged = 0;    ///< looked at, and left out; told by the sender
    std::uint64_t octets = 0;       ///< of the batches' payloads
    std::uint64_t microseconds = 0; ///< told by the sender; 0 if nobody measured

    bool operator==(RoundEnd const&) const = default;
};

struct DomainRecord {
    Bytes bytes;
};

struct Note {
    std::string_view text;
};

/// After it there is nothing.
struct End {};

using Record = std::variant<Description, MemoryLayout, PageBatch, RoundEnd, DomainRecord, ImageDigest, Note, End>;

} // namespace migrate
