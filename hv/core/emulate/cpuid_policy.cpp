#include "emulate/cpuid_policy.hpp"

#include <algorithm>

#include "abi/cpuid.hpp"
#include "emulate/control_policy.hpp"

namespace emulate {
namespace {

using arch::CpuidResult;
using enum CpuidRegister;

/// The bits of 0x80000001.EDX that repeat 1.EDX on AMD's CPUs; they follow its rows.
constexpr std::uint32_t kRepeatedEdx = 0x0183f3ff;

bool shown(FeatureRow const& row, CpuidFacts const& facts) {
    if ((row.needs_xcr0 & ~facts.offered_xcr0) != 0)
        return false;
    return row.show == Show::host || (row.show == Show::fixed_here && facts.kind == DomainKind::hardware);
}

std::uint32_t features(std::uint32_t leaf, std::uint32_t subleaf, CpuidRegister in, std::uint32_t host,
                       CpuidFacts const& facts) {
    std::uint32_t seen = 0;
    for (FeatureRow const& row : feature_table()) {
        if (row.leaf != leaf || row.subleaf != subleaf || row.in != in)
            continue;
        if (row.show == Show::always)
            seen |= row.bits;
        else if (shown(row, facts))
            seen |= row.bits & host;
    }
    return seen;
}

constexpr std::uint32_t bit(int feature) { return 1U << (feature % 32); }

/// OSXSAVE: whether XGETBV works. Linux asks before it has set CR4 and would give up XSAVE if it were clear, so the
/// forced view shows it from the first moment (docs/abi.md §0, 5).
std::uint32_t osxsave_bit(CpuidView view, bool xsave_offered, CpuidFacts const& facts) {
    bool const on = view == CpuidView::forced || (facts.guest_cr4 & kCr4OsXsave) != 0;
    return xsave_offered && on ? bit(XEN_X86_FEATURE_OSXSAVE) : 0;
}

CpuidResult leaf_1(CpuidView view, CpuidFacts const& facts, CpuidResult const& host) {
    constexpr std::uint32_t kBrandAndClflush = 0xffff;
    constexpr std::uint32_t kOneThread = 1U << 16;
    std::uint32_t const apic_id = facts.vcpu.raw() * 2; // even, as a package of one thread has it
    std::uint32_t const ecx = features(1, 0, CpuidRegister::ecx, host.ecx, facts);
    bool const xsave_offered = (ecx & bit(XEN_X86_FEATURE_XSAVE)) != 0;
    return {host.eax, (host.ebx & kBrandAndClflush) | kOneThread | apic_id << 24,
            ecx | osxsave_bit(view, xsave_offered, facts), features(1, 0, CpuidRegister::edx, host.edx, facts)};
}

/// Caches: their shape, without who shares them.
CpuidResult leaf_4(CpuidResult const& host) {
    constexpr std::uint32_t kTypeAndLevel = 0x3ff;
    return {host.eax & kTypeAndLevel, host.ebx, host.ecx, host.edx};
}

CpuidResult leaf_7(std::uint32_t subleaf, CpuidFacts const& facts, CpuidResult const& host) {
    constexpr std::uint32_t kHighestSubleaf = 1;
    if (subleaf > kHighestSubleaf)
        return {};
    CpuidResult seen;
    seen.eax = subleaf == 0 ? std::min(host.eax, kHighestSubleaf) : features(7, subleaf, eax, host.eax, facts);
    seen.ebx = features(7, subleaf, ebx, host.ebx, facts);
    seen.ecx = features(7, subleaf, ecx, host.ecx, facts);
    seen.edx = features(7, subleaf, edx, host.edx, facts);
    return seen;
}

// Leaf 0xd: the XSAVE area (SDM vol. 1 §13.4).

constexpr std::uint32_t kLegacyAndHeader = 512 + 64;

constexpr std::uint32_t low_half(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

/// Size of a standard-format area for the states in @p xcr0.
std::uint32_t standard_size(std::uint64_t xcr0, HostCpuid host) {
    std::uint32_t size = kLegacyAndHeader;
    for (std::uint32_t state = 2; state < 63; ++state) {
        if ((xcr0 >> state & 1) == 0)
            continue;
        CpuidResult const component = host(0xd, state);
        size = std::max(size, component.ebx + component.eax); // offset + size
    }
    return size;
}

/// Size of a compacted area for the states in @p xcr0.
std::uint32_t compact_size(std::uint64_t xcr0, HostCpuid host) {
    constexpr std::uint32_t kAligned = 1U << 1;
    std::uint32_t size = kLegacyAndHeader;
    for (std::uint32_t state = 2; state < 63; ++state) {
        if ((xcr0 >> state & 1) == 0)
            continue;
        CpuidResult const component = host(0xd, state);
        if ((component.ecx & kAligned) != 0)
            size = (size + 63) & ~63U;
        size += component.eax;
    }
    return size;
}

CpuidResult leaf_d(std::uint32_t subleaf, CpuidFacts const& facts, CpuidResult const& real, HostCpuid host) {
    std::uint64_t const offered = facts.offered_xcr0 & ((std::uint64_t{host(0xd, 0).edx} << 32) | host(0xd, 0).eax);
    if (subleaf == 0)
        return {low_half(offered), standard_size(facts.guest_xcr0 & offered, host), standard_size(offered, host),
                low_half(offered >> 32)};
    if (subleaf == 1) {
        std::uint32_t const variants = features(0xd, 1, eax, real.eax, facts);
        bool const compacts = (variants & bit(XEN_X86_FEATURE_XSAVEC)) != 0;
        return {variants, compacts ? compact_size(facts.guest_xcr0 & offered, host) : 0, 0, 0};
    }
    bool const is_offered = subleaf < 63 && (offered >> subleaf & 1) != 0;
    if (!is_offered)
        return {};
    constexpr std::uint32_t kAligned = 1U << 1; // bit 0, supervisor state, is never offered
    return {real.eax, real.ebx, real.ecx & kAligned, 0};
}

/// 0x80000008: address widths.
CpuidResult address_leaf(CpuidFacts const& facts, CpuidResult const& host) {
    constexpr std::uint32_t kLinearBits = 48;
    std::uint32_t const physical =
        facts.kind == DomainKind::translated ? std::uint32_t{kTranslatedAddressBits} : host.eax & 0xff;
    return {kLinearBits << 8 | physical, features(0x80000008, 0, ebx, host.ebx, facts), 0, 0};
}

CpuidResult extended_features(CpuidFacts const& facts, CpuidResult const& host) {
    std::uint32_t const repeated = features(1, 0, edx, host.edx & kRepeatedEdx, facts);
    return {host.eax, 0, features(0x80000001, 0, ecx, host.ecx, facts),
            features(0x80000001, 0, edx, host.edx & ~kRepeatedEdx, facts) | repeated};
}

/// The hypervisor's own leaves (<xen/arch-x86/cpuid.h>). Leaf +4 is for HVM guests: any bit there makes Linux take
/// itself for one (docs/abi.md §0, 6).
CpuidResult xen_leaf(std::uint32_t leaf, std::uint32_t subleaf, CpuidFacts const& facts) {
    switch (leaf - XEN_CPUID_FIRST_LEAF) {
    case 0:
        return {XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES), XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
                XEN_CPUID_SIGNATURE_EDX};
    case 1: return {4U << 16 | 17, 0, 0, 0}; // the version of the ABI
    case 2: return {1, XEN_CPUID_FIRST_LEAF, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0};
    case 3: {
        constexpr std::uint32_t kTscReliable = 1U << 1;
        constexpr std::uint32_t kHasRdtscp = 1U << 2;
        auto const shift = static_cast<std::uint32_t>(static_cast<std::int32_t>(facts.tsc_to_ns_shift));
        if (subleaf == 0)
            return {(facts.tsc_stable ? kTscReliable : 0) | kHasRdtscp, facts.tsc_mode, facts.tsc_khz,
                    facts.tsc_incarnation};
        if (subleaf == 1)
            return {low_half(facts.tsc_offset), low_half(facts.tsc_offset >> 32), facts.tsc_to_ns_mul, shift};
        return subleaf == 2 ? CpuidResult{facts.host_tsc_khz, 0, 0, 0} : CpuidResult{};
    }
    case 5:
        if (subleaf != 0)
            return {};
        return {0, facts.kind == DomainKind::translated ? kTranslatedAddressBits : facts.machine_address_bits, 0, 0};
    default: return {};
    }
}

constexpr std::uint32_t kHighestBasic = 0xd;
constexpr std::uint32_t kFirstExtended = 0x80000000;
constexpr std::uint32_t kHighestExtended = 0x80000021;

CpuidResult basic_leaf(std::uint32_t leaf, std::uint32_t subleaf, CpuidView view, CpuidFacts const& facts,
                       HostCpuid host) {
    CpuidResult const zeroth = host(0, 0);
    std::uint32_t const highest = std::min(zeroth.eax, kHighestBasic);
    if (leaf > highest)
        return {};
    CpuidResult const real = host(leaf, subleaf);
    switch (leaf) {
    case 0: return {highest, zeroth.ebx, zeroth.ecx, zeroth.edx};
    case 1: return leaf_1(view, facts, real);
    case 2: return real; // caches and TLBs
    case 4: return leaf_4(real);
    case 7: return leaf_7(subleaf, facts, real);
    case 0xd: return leaf_d(subleaf, facts, real, host);
    default: return {};
    }
}

CpuidResult extended_leaf(std::uint32_t leaf, CpuidFacts const& facts, HostCpuid host) {
    CpuidResult const zeroth = host(kFirstExtended, 0);
    std::uint32_t const highest = std::min(zeroth.eax, kHighestExtended);
    if (leaf > highest) // also on a CPU that has no such leaves at all
        return {};
    CpuidResult const real = host(leaf, 0);
    switch (leaf - kFirstExtended) {
    case 0: return {highest, zeroth.ebx, zeroth.ecx, zeroth.edx};
    case 1: return extended_features(facts, real);
    case 2:
    case 3:
    case 4: // the CPU's name
    case 5:
    case 6: return real; // caches and TLBs
    case 7: return {0, 0, 0, facts.tsc_stable ? features(leaf, 0, edx, real.edx, facts) : 0};
    case 8: return address_leaf(facts, real);
    case 0x21: return {features(leaf, 0, eax, real.eax, facts), 0, 0, 0};
    default: return {};
    }
}

} // namespace

CpuidResult guest_cpuid(std::uint32_t leaf, std::uint32_t subleaf, CpuidView view, CpuidFacts const& facts,
                        HostCpuid host) {
    if (leaf < XEN_CPUID_FIRST_LEAF)
        return basic_leaf(leaf, subleaf, view, facts, host);
    if (leaf >= kFirstExtended)
        return extended_leaf(leaf, facts, host);
    return xen_leaf(leaf, subleaf, facts);
}

} // namespace emulate
