#include "build/features.hpp"

#include <algorithm>
#include <array>

#include "abi/xen.hpp"
#include "boot/words.hpp"

namespace build {

namespace {

struct Feature {
    unsigned number;
    std::string_view name;
};

/// The names are those of <xen/features.h>, without XENFEAT_.
constexpr std::array kFeatures{
    Feature{XENFEAT_writable_page_tables, "writable_page_tables"},
    Feature{XENFEAT_writable_descriptor_tables, "writable_descriptor_tables"},
    Feature{XENFEAT_auto_translated_physmap, "auto_translated_physmap"},
    Feature{XENFEAT_supervisor_mode_kernel, "supervisor_mode_kernel"},
    Feature{XENFEAT_pae_pgdir_above_4gb, "pae_pgdir_above_4gb"},
    Feature{XENFEAT_mmu_pt_update_preserve_ad, "mmu_pt_update_preserve_ad"},
    Feature{XENFEAT_highmem_assist, "highmem_assist"},
    Feature{XENFEAT_gnttab_map_avail_bits, "gnttab_map_avail_bits"},
    Feature{XENFEAT_hvm_callback_vector, "hvm_callback_vector"},
    Feature{XENFEAT_hvm_safe_pvclock, "hvm_safe_pvclock"},
    Feature{XENFEAT_hvm_pirqs, "hvm_pirqs"},
    Feature{XENFEAT_dom0, "dom0"},
    Feature{XENFEAT_memory_op_vnode_supported, "memory_op_vnode_supported"},
    Feature{XENFEAT_ARM_SMCCC_supported, "ARM_SMCCC_supported"},
    Feature{XENFEAT_linux_rsdp_unrestricted, "linux_rsdp_unrestricted"},
    Feature{XENFEAT_not_direct_mapped, "not_direct_mapped"},
    Feature{XENFEAT_direct_mapped, "direct_mapped"},
};

} // namespace

Expected<FeatureSet> parse_features(std::string_view text, FeatureSet known) {
    while (!text.empty()) {
        auto name = boot::take_until(text, '|');
        bool const required = boot::take_prefix(name, "!");
        auto const feature =
            std::find_if(kFeatures.begin(), kFeatures.end(), [&](Feature const& one) { return one.name == name; });
        if (feature == kFeatures.end()) {
            if (required)
                return refuse(base::Error::not_supported, "the kernel requires a feature that nobody knows");
            continue;
        }
        known.supported |= 1U << feature->number;
        if (required)
            known.required |= 1U << feature->number;
    }
    return known;
}

} // namespace build
