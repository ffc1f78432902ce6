/// Linux's boot image: a boot sector, set-up code, a small program that unpacks, and its payload (docs/abi.md §1.1).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "build/refusal.hpp"

namespace unpack {

bool is_bzimage(base::Bytes file);

struct Payload {
    base::Bytes bytes; ///< all of it, a span into the file
    /// The last four bytes. Linux's build appends them to what its compressor made; gzip's own end says the same.
    std::uint32_t unpacked_size = 0;
};

/// REQUIRES: is_bzimage(file). Refuses what reaches past the end of the file.
build::Expected<Payload> payload_of(base::Bytes file);

} // namespace unpack
