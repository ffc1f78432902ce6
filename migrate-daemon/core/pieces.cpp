#include "migrate/pieces.hpp"

#include <algorithm>
#include <bit>

// Not XXH3: of what is as short as a piece it is not faster, and this one needs no vector instructions (hash.hpp).
#include <xxhash.h>

#include "migrate/octets.hpp"

namespace migrate {
namespace {

using Mask = std::uint16_t; ///< bit n: piece n
static_assert(sizeof(Mask) * 8 == kPieces);

bool has(Mask mask, std::size_t piece) { return (mask >> piece & 1) != 0; }

} // namespace

PieceHashes hash_pieces(PageView page, std::uint64_t seed) {
    PieceHashes hashes{};
    for (std::size_t i = 0; i < kPieces; ++i)
        hashes[i] = XXH64(page.data() + i * kPieceOctets, kPieceOctets, seed);
    return hashes;
}

bool encode_pieces(PieceHashes const& before, PieceHashes const& now, PageView page, std::size_t most,
                   std::vector<std::byte>& out) {
    unsigned changed = 0;
    for (std::size_t i = 0; i < kPieces; ++i)
        changed |= (before[i] != now[i] ? 1U : 0U) << i;
    if (changed == 0 || static_cast<std::size_t>(std::popcount(changed)) * kPieceOctets > most)
        return false;
    auto const mask = static_cast<Mask>(changed);
    put_value(out, mask);
    for (std::size_t i = 0; i < kPieces; ++i)
        if (has(mask, i)) {
            auto const piece = page.subspan(i * kPieceOctets, kPieceOctets);
            out.insert(out.end(), piece.begin(), piece.end());
        }
    return true;
}

bool apply_pieces(Bytes& contents, std::span<std::byte, base::kPageSize> page) {
    auto const mask = base::load<Mask>(contents);
    if (!mask || *mask == 0)
        return false;
    contents = contents.subspan(sizeof *mask);
    for (std::size_t i = 0; i < kPieces; ++i) {
        if (!has(*mask, i))
            continue;
        auto const piece = base::slice(contents, 0, kPieceOctets);
        if (!piece)
            return false;
        std::ranges::copy(*piece, page.begin() + static_cast<std::ptrdiff_t>(i * kPieceOctets));
        contents = contents.subspan(kPieceOctets);
    }
    return true;
}

} // namespace migrate
