/// The three decoders, each a file. They answer how far they came; unpack.cpp judges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "build/refusal.hpp"
#include "unpack/arena.hpp"

namespace unpack {

struct Decoded {
    std::size_t read = 0;
    std::size_t written = 0;
};

// How many bytes come out, as the compressed file says itself.
build::Expected<std::uint64_t> size_of_gzip(base::Bytes packed);
build::Expected<std::uint64_t> size_of_xz(base::Bytes packed);
build::Expected<std::uint64_t> size_of_zstd(base::Bytes packed);

// How many bytes the decoder needs while it works.
build::Expected<std::uint64_t> work_for_gzip(base::Bytes packed);
build::Expected<std::uint64_t> work_for_xz(base::Bytes packed);
build::Expected<std::uint64_t> work_for_zstd(base::Bytes packed);

build::Expected<Decoded> unpack_gzip(base::Bytes packed, std::span<std::byte> output, Arena& work);
build::Expected<Decoded> unpack_xz(base::Bytes packed, std::span<std::byte> output, Arena& work);
build::Expected<Decoded> unpack_zstd(base::Bytes packed, std::span<std::byte> output, Arena& work);

/// How C sees bytes.
inline std::uint8_t const* c_bytes(base::Bytes bytes) { return reinterpret_cast<std::uint8_t const*>(bytes.data()); }
inline std::uint8_t* c_bytes(std::span<std::byte> bytes) { return reinterpret_cast<std::uint8_t*>(bytes.data()); }

} // namespace unpack
