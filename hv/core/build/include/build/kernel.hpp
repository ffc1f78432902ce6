/// A kernel file, read and checked: ready to be laid out.
#pragma once

#include "base/bytes.hpp"
#include "base/frame.hpp"
#include "build/elf.hpp"
#include "build/kernel_notes.hpp"
#include "build/layout.hpp"
#include "build/refusal.hpp"

namespace build {

struct Kernel {
    ElfImage image;
    KernelNotes notes;
    PfnRange extent; ///< the frames that its segments touch

    /// The pseudo-physical address of a segment's byte at @p physical.
    [[nodiscard]] std::uint64_t offset_of(std::uint64_t physical) const { return physical - notes.paddr_offset; }
};

/// Reads @p file: an ELF image with Xen notes. Refuses what cannot run as a PV guest, with a sentence that says why.
/// What is compressed the room unpack makes an ELF image first.
Expected<Kernel> open_kernel(base::Bytes file);

} // namespace build
