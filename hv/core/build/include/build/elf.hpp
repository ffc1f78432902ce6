/// Reads an ELF64 executable (System V ABI, chapters 4 and 5): what to load, and where the notes are. Nothing is
/// copied: contents are spans into the file.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/fixed_vector.hpp"
#include "base/frame.hpp"
#include "build/refusal.hpp"

namespace build {

/// A PT_LOAD segment with something in it.
struct Segment {
    std::uint64_t virtual_address = 0;
    std::uint64_t physical_address = 0;
    std::uint64_t memory_size = 0; ///< at least contents.size(); the rest is zeroes
    base::Bytes contents;

    [[nodiscard]] std::uint64_t physical_end() const { return physical_address + memory_size; } ///< does not overflow
};

struct ElfImage {
    std::uint64_t entry = 0; ///< e_entry; a PV kernel starts elsewhere (note ENTRY)
    base::FixedVector<Segment, 16> segments;
    base::FixedVector<base::Bytes, 8> notes; ///< the contents of each PT_NOTE segment
};

/// Reads the headers in @p file. Refuses what is not a little-endian x86-64 executable, what reaches past the end of the
/// file or of the address space, and what has nothing to load.
Expected<ElfImage> parse_elf(base::Bytes file);

} // namespace build
