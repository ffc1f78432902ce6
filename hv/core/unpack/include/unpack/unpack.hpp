/// A kernel file as it is packaged, made the ELF file that build::open_kernel() reads:
///
///     Packed const packed = TRY(examine(file));
///     if (packed.format == Format::elf)
///         return packed.bytes;                                   // nothing to unpack
///     TRY(unpack(packed, output, work));                         // packed.size and packed.work bytes of memory
///
/// A file is an ELF file, a Linux bzImage, or an ELF file compressed by itself. XZ (with any filters, as Linux's x86 BCJ),
/// zstd and gzip are unpacked; other methods are named and refused. Every check sum that the file has is checked.
///
/// Bare, both functions run C libraries: call them only within x86::run_c_code().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "build/refusal.hpp"
#include "unpack/format.hpp"

namespace unpack {

struct Packed {
    Format format = Format::elf;
    base::Bytes bytes;      ///< a span into the file
    std::uint64_t size = 0; ///< how many bytes come out, exactly
    std::uint64_t work = 0; ///< how many bytes the decoder needs while it works
};

/// More is not believed to be a kernel, whatever a file says.
inline constexpr std::uint64_t kMostUnpacked = std::uint64_t{1} << 30;

/// What @p file is, and what it takes to unpack it. Believes what the file says of itself; unpack() does not.
build::Expected<Packed> examine(base::Bytes file);

/// Fills @p output with what is in @p packed. REQUIRES: its format is compressed, and the two memories have the sizes that
/// it asks for. Refuses what is corrupt, cut off, or not of the size that it claims; then @p output holds anything.
build::Expected<void> unpack(Packed const& packed, std::span<std::byte> output, std::span<std::byte> work);

} // namespace unpack
