/// What of a page has changed, for who has not kept what it sent: hashes of its sixteen pieces, and the pieces that differ
/// (docs/migration-stream.md, "page-batch"). A page in which a guest has changed a counter is then one piece, 256 octets, and not all of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "migrate/page.hpp"

namespace migrate {

inline constexpr std::size_t kPieces = 16; ///< of a page
inline constexpr std::size_t kPieceOctets = base::kPageSize / kPieces;

using PieceHashes = std::array<std::uint64_t, kPieces>;
[[nodiscard]] PieceHashes hash_pieces(PageView page, std::uint64_t seed);

/// Appends which pieces of @p page differ by their hashes, and these. False, and nothing is appended, if they would take more than @p most
/// octets, or none differs.
bool encode_pieces(PieceHashes const& before, PieceHashes const& now, PageView page, std::size_t most,
                   std::vector<std::byte>& out);

/// The other way: takes pieces from the front of @p contents and puts them into @p page. False if they are malformed; then @p page holds
/// anything.
bool apply_pieces(Bytes& contents, std::span<std::byte, base::kPageSize> page);

} // namespace migrate
