/// Pages as a migration sees them: 4096 octets that belong to a frame number of the guest.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "base/bytes.hpp"
#include "base/frame.hpp"

namespace migrate {

using base::Bytes;
using base::Gfn;

using Page = std::array<std::byte, base::kPageSize>;
using PageView = std::span<std::byte const, base::kPageSize>;

/// Frame numbers are below this.
inline constexpr std::uint64_t kGfnLimit = std::uint64_t{1} << 40;

/// Which of a migration's streams says everything about @p gfn (docs/migration-stream.md).
constexpr unsigned stream_of(Gfn gfn, unsigned streams) { return static_cast<unsigned>((gfn.raw() >> 4) % streams); }

} // namespace migrate
