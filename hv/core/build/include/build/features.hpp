/// The feature names in a kernel's notes (<xen/features.h>): "!writable_page_tables|pae_pgdir_above_4gb".
#pragma once

#include <cstdint>
#include <string_view>

#include "abi/xen.hpp"
#include "build/refusal.hpp"

namespace build {

/// Features by number: bit XENFEAT_x of each word.
struct FeatureSet {
    std::uint32_t supported = 0; ///< the kernel can make use of them; contains all that it requires
    std::uint32_t required = 0;  ///< marked `!`: the kernel does not run without
};

/// Adds the features named in @p text, separated by `|`. A name that nobody knows is passed over, unless the kernel
/// requires it: that is refused.
Expected<FeatureSet> parse_features(std::string_view text, FeatureSet known = {});

/// What a kernel may require of Tern; XENVER_get_features tells it the same. Writable page tables: their stores are
/// emulated. Preserved A/D bits and available bits in grant mappings: Linux panics without.
inline constexpr std::uint32_t kOfferedFeatures =
    1U << XENFEAT_writable_page_tables | 1U << XENFEAT_pae_pgdir_above_4gb | 1U << XENFEAT_mmu_pt_update_preserve_ad |
    1U << XENFEAT_highmem_assist | 1U << XENFEAT_gnttab_map_avail_bits | 1U << XENFEAT_dom0 |
    1U << XENFEAT_memory_op_vnode_supported | 1U << XENFEAT_direct_mapped;

} // namespace build
