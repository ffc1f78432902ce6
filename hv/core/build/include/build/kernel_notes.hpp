/// What a PV kernel says about itself in its Xen ELF notes (<xen/elfnote.h>; docs/abi.md §1.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/frame.hpp"
#include "build/elf.hpp"
#include "build/features.hpp"
#include "build/refusal.hpp"

namespace build {

struct KernelNotes {
    /// A table entry carries a frame if (entry & mask) == value: what migration tools ask.
    struct L1Valid {
        std::uint64_t mask = 1;
        std::uint64_t value = 1;
    };

    base::Vaddr entry;                         ///< first instruction
    base::Vaddr virt_base;                     ///< where pfn 0 is in the initial mapping
    std::uint64_t paddr_offset = 0;            ///< subtracted from a segment's physical address
    std::optional<base::Vaddr> hypercall_page; ///< absent: the kernel uses SYSCALL itself
    std::optional<base::Vaddr> init_p2m;       ///< absent: the p2m list is part of the initial mapping
    std::optional<base::Vaddr> hv_start_low;
    std::optional<std::uint64_t> phys32_entry; ///< for PVH; unused
    bool mod_start_pfn = false;                ///< the initial RAM disk need not be mapped
    bool suspend_cancel = false;
    FeatureSet features;        ///< of notes FEATURES and SUPPORTED_FEATURES together
    bool says_features = false; ///< note SUPPORTED_FEATURES was there
    L1Valid l1_valid;
    std::string_view xen_version, guest_os, guest_version, loader, pae_mode;
};

/// Reads the notes of @p image. Refuses broken notes, a kernel that has no Xen notes or no entry point among them, and
/// one that requires what Tern does not offer.
Expected<KernelNotes> parse_notes(ElfImage const& image);

} // namespace build
