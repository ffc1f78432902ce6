// xen_version: who the guest runs on. Tern answers as Xen 4.17 does, so that Debian's tools for 4.17 find themselves
// at home (docs/abi.md §3.5).

#include <algorithm>
#include <cstring>
#include <string_view>

#include "abi/xen.hpp"
#include "hypercall/handlers.hpp"
#include "hypercall/identity.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;

/// Fills an ABI string: cut if need be, always terminated, the rest zero (nothing of our memory leaks).
template <std::size_t Size> void fill(char (&into)[Size], std::string_view text) {
    std::memset(into, 0, Size);
    std::copy_n(text.begin(), std::min(text.size(), Size - 1), into); // an empty text may have no bytes at all
}

template <typename Buffer> Answer give_string(Call& call, std::string_view text) {
    Buffer buffer;
    fill(buffer, text);
    TRY(call.write(1, buffer));
    return 0;
}

constexpr std::uint32_t bit(unsigned feature) { return 1U << feature; }

/// Submap 0 of the features. Bits 0 to 3 and 8 to 10 must stay clear for a PV guest (docs/abi.md §0.4, §0.6).
std::uint32_t features(domain::Domain const& caller) {
    std::uint32_t map = bit(XENFEAT_mmu_pt_update_preserve_ad) | bit(XENFEAT_gnttab_map_avail_bits) |
                        bit(XENFEAT_pae_pgdir_above_4gb) | bit(XENFEAT_highmem_assist) |
                        bit(XENFEAT_memory_op_vnode_supported);
    map |= caller.translated() ? bit(XENFEAT_not_direct_mapped) : bit(XENFEAT_direct_mapped);
    if (caller.privileged)
        map |= bit(XENFEAT_dom0);
    return map;
}

} // namespace

Answer xen_version(Call& call) {
    switch (call.u32(0)) {
    case XENVER_version: return kXenMajor << 16 | kXenMinor;
    case XENVER_extraversion: return give_string<xen_extraversion_t>(call, kExtraVersion);
    case XENVER_compile_info: {
        xen_compile_info_t info;
        fill(info.compiler, kCompiler);
        fill(info.compile_by, "tern");
        fill(info.compile_domain, "tern");
        fill(info.compile_date, kBuildDate);
        TRY(call.write(1, info));
        return 0;
    }
    case XENVER_capabilities: return give_string<xen_capabilities_info_t>(call, "xen-3.0-x86_64 ");
    case XENVER_changeset: return give_string<xen_changeset_info_t>(call, kChangeset);
    case XENVER_platform_parameters: {
        xen_platform_parameters_t const parameters{.virt_start = HYPERVISOR_VIRT_START};
        TRY(call.write(1, parameters));
        return 0;
    }
    case XENVER_get_features: {
        auto request = TRY(call.read<xen_feature_info_t>(1));
        if (request.submap_idx != 0)
            return Err{Error::invalid};
        request.submap = features(call.domain());
        TRY(call.write(1, request));
        return 0;
    }
    case XENVER_pagesize: return static_cast<std::int64_t>(base::kPageSize);
    case XENVER_guest_handle: {
        TRY(call.write(1, call.domain().handle));
        return 0;
    }
    case XENVER_commandline: return give_string<xen_commandline_t>(call, call.domain().system.command_line);
    case XENVER_build_id: return Err{Error::no_data};
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
