/// The stream's octets, as docs/migration-stream.md lays them out. Only the codec, and tests that break streams, need this.
/// Structures are what lies on the wire: little-endian, as x86 is, and without gaps.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace migrate::format {

inline constexpr std::array<std::uint8_t, 8> kMagic{0x93, 'T', 'E', 'R', 'N', '\r', '\n', 0x1a};
inline constexpr std::uint16_t kVersion = 2; ///< since pages come by pieces, too
inline constexpr std::uint32_t kLive = 1U << 0;
inline constexpr std::uint32_t kConnection = 1U << 1;

struct Header {
    std::array<std::uint8_t, 8> magic;
    std::uint16_t version;
    std::uint16_t index;
    std::uint16_t streams;
    std::uint16_t reserved0;
    std::uint32_t flags;
    std::uint32_t page_size;
    std::array<std::uint8_t, 16> id;
    std::uint64_t seed;
    std::uint64_t reserved1;
    std::uint64_t check; ///< XXH3-64 of all before, unseeded
};
static_assert(sizeof(Header) == 64 && offsetof(Header, seed) == 40 && offsetof(Header, check) == 56);

struct Record {
    std::uint32_t type;
    std::uint32_t length;
    std::uint32_t sequence;
    std::uint32_t header_check;
    std::uint64_t payload_check;
};
static_assert(sizeof(Record) == 24);
inline constexpr std::size_t kCheckedHeader = 12;
inline constexpr std::size_t kAlignment = 8;

constexpr std::size_t padding_of(std::size_t length) { return -length % kAlignment; }

/// The seeds of a record's two hashes: it fits nowhere but at its place in its stream.
constexpr std::uint64_t header_seed(std::uint64_t seed, std::uint16_t index) {
    return seed ^ (std::uint64_t{index} << 32);
}
constexpr std::uint64_t payload_seed(std::uint64_t seed, std::uint16_t index, std::uint32_t sequence) {
    return header_seed(seed, index) ^ sequence;
}

struct LayoutHead {
    std::uint32_t runs;
    std::uint32_t reserved;
};
static_assert(sizeof(LayoutHead) == 8);

struct LayoutRun {
    std::uint64_t first;
    std::uint64_t count;
};
static_assert(sizeof(LayoutRun) == 16);

struct BatchHead {
    std::uint32_t round;
    std::uint16_t count;
    std::uint8_t coding;
    std::uint8_t reserved;
    std::uint32_t decoded; ///< octets of contents
    std::uint32_t coded;   ///< the same as they stand in the record
};
static_assert(sizeof(BatchHead) == 16);

struct BatchEntry {
    std::uint64_t gfn_and_class;
    std::uint64_t fingerprint;
};
static_assert(sizeof(BatchEntry) == 16);
inline constexpr unsigned kClassShift = 60;

struct DeltaRun {
    std::uint16_t first;
    std::uint16_t words;
};
static_assert(sizeof(DeltaRun) == 4);

struct RoundEnd {
    std::uint32_t round;
    std::uint32_t flags;
    std::uint64_t full;
    std::uint64_t zero;
    std::uint64_t delta;
    std::uint64_t same;
    std::uint64_t absent;
    std::uint64_t unchanged;
    std::uint64_t octets;
    std::uint64_t microseconds;
    std::uint64_t reserved;
};
static_assert(sizeof(RoundEnd) == 80 && offsetof(RoundEnd, unchanged) == 48);
inline constexpr std::uint32_t kStopped = 1U << 0;

struct Digest {
    std::uint64_t pages;
    std::uint64_t low;
    std::uint64_t high;
};
static_assert(sizeof(Digest) == 24);

} // namespace migrate::format
