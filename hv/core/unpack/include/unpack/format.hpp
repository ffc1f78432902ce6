/// What a kernel file or a bzImage's payload is, by its first bytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"

namespace unpack {

/// All that Linux can be built with, and plain ELF.
enum class Format : std::uint8_t { elf, gzip, xz, zstd, bzip2, lzma, lzo, lz4, unknown };

Format format_of(base::Bytes bytes);

std::string_view name_of(Format format);

} // namespace unpack
