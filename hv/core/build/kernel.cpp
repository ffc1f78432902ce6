#include "build/kernel.hpp"

#include <algorithm>
#include <limits>

namespace build {

using base::Bytes;
using base::Pfn;
using base::Vaddr;

namespace {

/// The frames that the segments touch, counted from PADDR_OFFSET. A segment's virtual address says nothing: Linux
/// has one at 0 for its per-CPU data (docs/abi.md §1.1).
Expected<PfnRange> extent_of(ElfImage const& image, std::uint64_t paddr_offset) {
    std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t end = 0;
    for (auto const& segment : image.segments) {
        if (segment.physical_address < paddr_offset)
            return refuse("the kernel has a segment below its PADDR_OFFSET");
        first = std::min(first, segment.physical_address - paddr_offset);
        end = std::max(end, segment.physical_end() - paddr_offset);
    }
    return PfnRange{Pfn{first >> base::kPageShift},
                    Pfn{(end >> base::kPageShift) + ((end & base::kPageMask) != 0 ? 1 : 0)}};
}

/// True if @p count bytes at @p address are within the kernel's own frames, as mapped from virt_base.
bool within(Kernel const& kernel, Vaddr address, std::uint64_t count) {
    if (address < kernel.notes.virt_base)
        return false;
    auto const offset = address - kernel.notes.virt_base;
    auto const end = kernel.extent.end.raw() << base::kPageShift;
    return offset >= kernel.extent.first.raw() << base::kPageShift && offset < end && end - offset >= count;
}

} // namespace

Expected<Kernel> open_kernel(Bytes file) {
    ElfImage const image = TRY(parse_elf(file));
    KernelNotes const notes = TRY(parse_notes(image));
    PfnRange const extent = TRY(extent_of(image, notes.paddr_offset));
    Kernel const kernel{image, notes, extent};

    if (!within(kernel, notes.entry, 1))
        return refuse("the kernel's entry point is outside of it");
    if (auto const page = notes.hypercall_page;
        page && (page->offset() != 0 || !within(kernel, *page, base::kPageSize)))
        return refuse("the kernel's hypercall page is outside of it");
    return kernel;
}

} // namespace build
