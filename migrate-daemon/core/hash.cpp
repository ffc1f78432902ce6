#include "migrate/hash.hpp"

#include <atomic>

#include <xxhash.h>

#include "hash_plain.hpp"

namespace migrate {
namespace {

struct Part {
    std::uint64_t gfn;
    std::uint64_t check;
};

XXH128_hash_t part_of(Gfn gfn, std::uint64_t check, std::uint64_t seed) {
    Part const part{gfn.raw(), check};
    return XXH3_128bits_withSeed(&part, sizeof part, seed);
}

std::atomic<HashCode> page_code{HashCode::vectors};

} // namespace

void hash_pages_by(HashCode code) { page_code.store(code, std::memory_order_relaxed); }

std::uint64_t hash64(Bytes bytes, std::uint64_t seed) { return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed); }

PageHash hash_page(PageView page, std::uint64_t seed) {
    if (page_code.load(std::memory_order_relaxed) == HashCode::plain)
        return hash_page_plain(page, seed);
    auto const hash = XXH3_128bits_withSeed(page.data(), page.size(), seed);
    return {hash.low64, hash.high64};
}

void ImageDigest::add(Gfn gfn, std::uint64_t check, std::uint64_t seed) {
    auto const part = part_of(gfn, check, seed);
    low += part.low64;
    high += part.high64;
    ++pages;
}

void ImageDigest::remove(Gfn gfn, std::uint64_t check, std::uint64_t seed) {
    auto const part = part_of(gfn, check, seed);
    low -= part.low64;
    high -= part.high64;
    --pages;
}

ImageDigest& ImageDigest::operator+=(ImageDigest const& other) {
    pages += other.pages;
    low += other.low;
    high += other.high;
    return *this;
}

} // namespace migrate
