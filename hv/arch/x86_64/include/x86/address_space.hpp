/// Every CPU's address space: what all share, and what is each one's own.
///
/// Start of day builds one root (the *pattern*) with everything that CPUs share, and seals it. prepare_cpu() then gives
/// each CPU its two roots and its area. Slot 261 is the only one of the hypervisor's whose tables differ by CPU.
#pragma once

#include <array>
#include <cstdint>

#include "base/number.hpp"
#include "x86/address_map.hpp"
#include "x86/page_tables.hpp"

namespace x86 {

/// Maps the image, each part with its right, and the window for device registers.
void map_image(PageTableBuilder& pattern);

/// Gives 512 frames in a row, aligned to as many, for a large page; their contents are anything.
using LargeFrameSource = base::FunctionRef<base::Mfn()>;

/// Maps the machine-to-phys table, for @p entries frames: guests read it, we write it.
void map_machine_to_phys(PageTableBuilder& pattern, std::uint64_t entries, LargeFrameSource take_large);
/// Makes it all ~0, up to the end of its last large page. Once the pattern is in use.
void clear_machine_to_phys();
/// The table that translated domains see instead: each number's own, up to @p frames, and ~0 above (SP-26). Its @p length
/// is the same on every machine.
void map_identity(PageTableBuilder& pattern, std::uint64_t frames, std::uint64_t length, LargeFrameSource take_large);
/// Fills it.
void fill_identity();
/// The frame of one of its pages; invalid beyond the numbers.
base::Mfn identity_frame(std::uint64_t index);

/// [start, end) of the image in physical memory, and the part of it that nobody may write.
struct ImageExtent {
    base::Maddr start, end;
    base::Maddr read_only_start, read_only_end;
};
ImageExtent image_extent();

/// A page of zeroes that nobody writes.
base::Mfn empty_page();

/// Takes [@p from, @p to), whole pages of the image, out of every CPU's address space, for good. Before there are other
/// CPUs: it is forgotten here only.
void unmap_image(char const* from, char const* to);

/// No more is added to the pattern at level 4 from here on.
void seal_pattern(base::Mfn root);

/// Fills the hypervisor's slots of the root page @p root. @p own_slot: the entry of the image slot. The guest does not see
/// the machine-to-phys table until machine_to_phys_slot() is in slot 256.
void fill_hypervisor_slots(base::Mfn root, std::uint64_t own_slot);
std::uint64_t machine_to_phys_slot();
/// The same, for translated domains.
std::uint64_t identity_slot();
/// The pattern's own entry for the image slot: for code that belongs to no CPU (the trampoline).
std::uint64_t pattern_image_slot();

/// A table like the pattern's of the image slot, without any CPU's area: the base of a CPU's own.
void copy_image_directory(base::Mfn into);

/// Makes @p bytes of device registers at @p at accessible, uncached. For start of day; asserted that the window lasts.
void volatile* map_device(base::Maddr at, std::uint64_t bytes);

} // namespace x86
