#include "hash_plain.hpp"

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_SCALAR
#include <xxhash.h>

namespace migrate {

PageHash hash_page_plain(PageView page, std::uint64_t seed) {
    auto const hash = XXH3_128bits_withSeed(page.data(), page.size(), seed);
    return {hash.low64, hash.high64};
}

} // namespace migrate
