#include "hypercall/cpu_policy.hpp"

#include <algorithm>
#include <array>

#include "arch/cpu.hpp"
#include "emulate/cpuid_policy.hpp"

namespace hypercall {
namespace {

using arch::CpuidResult;
using base::Err;
using base::Error;
using domain::GuestArray;

// As far as Xen 4.17's tools know leaves: they refuse a list with others.
constexpr std::uint32_t kLastBasic = 0xd, kFirstExtended = 0x8000'0000, kLastExtended = 0x8000'0008;
constexpr std::uint32_t kCacheLeaf = 4, kFeatureLeaf = 7, kTopologyLeaf = 0xb, kXsaveLeaf = 0xd;
constexpr std::uint32_t kMostCaches = 6, kMostTopology = 2, kMostXsave = 63;
constexpr std::uint32_t kPlatformInfo = 0xce; ///< MSR_INTEL_PLATFORM_INFO: no CPUID faulting for guests

constexpr std::uint32_t kMostMsrs = 2; ///< that 4.17's tools know: this one, and MSR_ARCH_CAPABILITIES

/// Whose view.
enum class View : std::uint8_t { host, guest };

CpuidResult leaf_of(View view, std::uint32_t leaf, std::uint32_t subleaf) {
    if (view == View::host)
        return arch::cpuid(leaf, subleaf);
    auto const khz = static_cast<std::uint32_t>(arch::tsc_khz());
    emulate::CpuidFacts const facts{.kind = emulate::DomainKind::translated,
                                    .vcpu = {},
                                    .guest_cr4 = 0,
                                    .guest_xcr0 = arch::supported_xcr0(),
                                    .offered_xcr0 = arch::supported_xcr0(),
                                    .tsc_khz = khz,
                                    .host_tsc_khz = khz,
                                    .tsc_stable = arch::tsc_stable()};
    return emulate::guest_cpuid(leaf, subleaf, emulate::CpuidView::forced, facts, arch::cpuid);
}

/// How many subleaves of @p leaf the tools know; 0: it has none.
std::uint32_t subleaves(std::uint32_t leaf) {
    switch (leaf) {
    case kCacheLeaf: return kMostCaches;
    case kFeatureLeaf: return 1;
    case kTopologyLeaf: return kMostTopology;
    case kXsaveLeaf: return kMostXsave;
    default: return 0;
    }
}

/// Calls @p visit(leaf) with each leaf of a policy; stops at an error.
template <typename Visit> base::Status for_each_leaf(View view, Visit&& visit) {
    auto const tell = [&](std::uint32_t leaf, std::uint32_t subleaf, std::uint32_t shown) {
        auto const is = leaf_of(view, leaf, subleaf);
        return visit(
            xen_cpuid_leaf_t{.leaf = leaf, .subleaf = shown, .a = is.eax, .b = is.ebx, .c = is.ecx, .d = is.edx});
    };
    auto const tell_range = [&](std::uint32_t first, std::uint32_t last) -> base::Status {
        auto const highest = std::min(leaf_of(view, first, 0).eax, last);
        for (std::uint32_t leaf = first; leaf >= first && leaf <= highest; ++leaf) {
            auto const count = subleaves(leaf);
            if (count == 0)
                TRY(tell(leaf, 0, XEN_CPUID_NO_SUBLEAF));
            for (std::uint32_t subleaf = 0; subleaf < count; ++subleaf)
                TRY(tell(leaf, subleaf, subleaf));
        }
        return {};
    };
    TRY(tell_range(0, kLastBasic));
    return tell_range(kFirstExtended, kLastExtended);
}

/// Words of features, in the order of <xen/arch-x86/cpufeatureset.h>.
struct FeatureWord {
    std::uint32_t leaf, subleaf;
    std::uint32_t CpuidResult::*in;
};
constexpr std::array kFeatureWords{
    FeatureWord{1, 0, &CpuidResult::edx},           FeatureWord{1, 0, &CpuidResult::ecx},
    FeatureWord{0x8000'0001, 0, &CpuidResult::edx}, FeatureWord{0x8000'0001, 0, &CpuidResult::ecx},
    FeatureWord{0xd, 1, &CpuidResult::eax},         FeatureWord{7, 0, &CpuidResult::ebx},
    FeatureWord{7, 0, &CpuidResult::ecx},           FeatureWord{0x8000'0007, 0, &CpuidResult::edx},
    FeatureWord{0x8000'0008, 0, &CpuidResult::ebx}, FeatureWord{7, 0, &CpuidResult::edx},
    FeatureWord{7, 1, &CpuidResult::eax},           FeatureWord{0x8000'0021, 0, &CpuidResult::eax}};
static_assert(kFeatureWords.size() == TERN_RECORD_FEATURE_WORDS);

std::uint32_t feature_word(View view, FeatureWord const& word) {
    return leaf_of(view, word.leaf, word.subleaf).*word.in;
}

constexpr std::uint32_t kMostLeaves = kLastBasic + 1 + kMostCaches + kMostTopology + kMostXsave + 1 + 9;

/// Fills in @p request's lists, or where there is none how long it may become.
template <typename Request> base::Status fill(Call& call, View view, Request& request) {
    if (address_of(request.leaves).raw() == 0) {
        request.nr_leaves = kMostLeaves;
    } else {
        GuestArray<xen_cpuid_leaf_t> const into{call.vcpu, address_of(request.leaves)};
        std::uint32_t count = 0;
        TRY(for_each_leaf(view, [&](xen_cpuid_leaf_t const& leaf) -> base::Status {
            if (count == request.nr_leaves)
                return Err{Error::no_buffers};
            return into.write(count++, leaf);
        }));
        request.nr_leaves = count;
    }
    if (address_of(request.msrs).raw() == 0) {
        request.nr_msrs = kMostMsrs;
    } else {
        if (request.nr_msrs == 0)
            return Err{Error::no_buffers};
        GuestArray<xen_msr_entry_t> const into{call.vcpu, address_of(request.msrs)};
        TRY(into.write(0, xen_msr_entry_t{.idx = kPlatformInfo, .flags = 0, .val = 0}));
        request.nr_msrs = 1;
    }
    return {};
}

} // namespace

Answer get_system_cpu_policy(Call& call, xen_sysctl_t& op) {
    auto& request = op.u.cpu_policy;
    if (request._rsvd != 0)
        return Err{Error::invalid};
    switch (request.index) {
    case XEN_SYSCTL_cpu_policy_raw:
    case XEN_SYSCTL_cpu_policy_host: TRY(fill(call, View::host, request)); break;
    case XEN_SYSCTL_cpu_policy_pv_max:
    case XEN_SYSCTL_cpu_policy_pv_default: TRY(fill(call, View::guest, request)); break;
    case XEN_SYSCTL_cpu_policy_hvm_max:
    case XEN_SYSCTL_cpu_policy_hvm_default: return Err{Error::not_supported}; // no such guests here
    default: return Err{Error::invalid};
    }
    TRY(call.write(0, op));
    return 0;
}

Answer get_featureset(Call& call, xen_sysctl_t& op) {
    auto& request = op.u.cpu_featureset;
    bool const host = request.index == XEN_SYSCTL_cpu_featureset_raw || request.index == XEN_SYSCTL_cpu_featureset_host;
    bool const guest =
        request.index == XEN_SYSCTL_cpu_featureset_pv || request.index == XEN_SYSCTL_cpu_featureset_pv_max;
    if (!host && !guest)
        return Err{request.index <= XEN_SYSCTL_cpu_featureset_hvm_max ? Error::not_supported : Error::invalid};
    View const view = host ? View::host : View::guest;
    auto const room = request.nr_features;
    bool const counts_only = address_of(request.features).raw() == 0;
    request.nr_features = kFeatureWords.size();
    if (!counts_only) {
        request.nr_features = std::min<std::uint32_t>(room, kFeatureWords.size());
        GuestArray<std::uint32_t> const into{call.vcpu, address_of(request.features)};
        for (std::uint32_t i = 0; i < request.nr_features; ++i)
            TRY(into.write(i, feature_word(view, kFeatureWords[i])));
    }
    TRY(call.write(0, op));
    if (!counts_only && room < kFeatureWords.size())
        return Err{Error::no_buffers};
    return 0;
}

tern_record_cpu guest_cpu() {
    auto const vendor = leaf_of(View::guest, 0, 0);
    tern_record_cpu cpu{};
    cpu.vendor[0] = vendor.ebx;
    cpu.vendor[1] = vendor.edx;
    cpu.vendor[2] = vendor.ecx;
    cpu.signature = leaf_of(View::guest, 1, 0).eax;
    cpu.xcr0 = arch::supported_xcr0();
    cpu.xsave_size = static_cast<std::uint32_t>(arch::extended_state_size());
    for (std::size_t i = 0; i < kFeatureWords.size(); ++i)
        cpu.features[i] = feature_word(View::guest, kFeatureWords[i]);
    return cpu;
}

Answer get_domain_cpu_policy(Call& call, domain::Domain& subject, xen_domctl_t& op) {
    TRY(fill(call, subject.privileged ? View::host : View::guest, op.u.cpu_policy));
    TRY(call.write(0, op));
    return 0;
}

Answer set_domain_cpu_policy(Call& call, xen_domctl_t& op) {
    auto const& request = op.u.cpu_policy;
    if (request.nr_leaves > kMostLeaves || request.nr_msrs > kMostMsrs)
        return Err{Error::too_big};
    GuestArray<xen_cpuid_leaf_t> const leaves{call.vcpu, address_of(request.leaves)};
    for (std::uint32_t i = 0; i < request.nr_leaves; ++i)
        static_cast<void>(TRY(leaves.read(i)));
    GuestArray<xen_msr_entry_t> const msrs{call.vcpu, address_of(request.msrs)};
    for (std::uint32_t i = 0; i < request.nr_msrs; ++i)
        if (TRY(msrs.read(i)).flags != 0)
            return Err{Error::invalid};
    return 0;
}

} // namespace hypercall
