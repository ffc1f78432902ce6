/// The hashes of a stream: XXH3 with the stream's seed (docs/migration-stream.md, "Hashes, and what a collision would cost").
#pragma once

#include <cstdint>

#include "migrate/page.hpp"

namespace migrate {

/// 64 bits of any octets.
[[nodiscard]] std::uint64_t hash64(Bytes bytes, std::uint64_t seed);

/// Two independent halves: the fingerprint travels and decides whether a page has changed; the check does neither, and so
/// tells when a fingerprint deceived.
struct PageHash {
    std::uint64_t fingerprint = 0;
    std::uint64_t check = 0;

    bool operator==(PageHash const&) const = default;
};
[[nodiscard]] PageHash hash_page(PageView page, std::uint64_t seed);

/// The same hash is computed by the processor's vector instructions, or without. Which is faster depends on the processor: an emulator
/// executes vector instructions slowly (QEMU's TCG: a page in 5.8 µs against 0.8), silicon does not.
enum class HashCode : std::uint8_t { vectors, plain };
/// From now on, in all threads. Without it: vectors.
void hash_pages_by(HashCode code);

/// A whole memory in one number, kept up to date page by page. Digests of disjoint parts can be added.
struct ImageDigest {
    std::uint64_t pages = 0;
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    /// The page at @p gfn has this check; before, it was not there (or was removed).
    void add(Gfn gfn, std::uint64_t check, std::uint64_t seed);
    /// REQUIRES: added with the same check.
    void remove(Gfn gfn, std::uint64_t check, std::uint64_t seed);
    ImageDigest& operator+=(ImageDigest const& other);

    bool operator==(ImageDigest const&) const = default;
};

} // namespace migrate
