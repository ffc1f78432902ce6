#include "emulate/cpuid_policy.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "abi/cpuid.hpp"
#include "base/assert.hpp"
#include "emulate/control_policy.hpp"

namespace emulate {
namespace {

using arch::CpuidResult;
using enum CpuidRegister;

// --- the table -----------------------------------------------------------------------------------------------------

/// Which register each word of Xen's feature set is (<xen/arch-x86/cpufeatureset.h>).
struct Word {
    std::uint32_t leaf;
    std::uint32_t subleaf;
    CpuidRegister in;
};
constexpr std::array<Word, 12> kWords = {{
    {0x1, 0, edx},
    {0x1, 0, ecx},
    {0x80000001, 0, edx},
    {0x80000001, 0, ecx},
    {0xd, 1, eax},
    {0x7, 0, ebx},
    {0x7, 0, ecx},
    {0x80000007, 0, edx},
    {0x80000008, 0, ebx},
    {0x7, 0, edx},
    {0x7, 1, eax},
    {0x80000021, 0, eax},
}};

constexpr std::uint64_t kAnyState = 0;
constexpr std::uint64_t kAvxState = 0x7;     // x87 SSE AVX
constexpr std::uint64_t kAvx512State = 0xe7; // and opmask, ZMM_Hi256, Hi16_ZMM

/// A row for @p features, XEN_X86_FEATURE_ names of one word.
consteval FeatureRow row(Show show, std::uint64_t needs_xcr0, std::initializer_list<int> features, char const* reason) {
    unsigned const word = static_cast<unsigned>(*features.begin()) / 32;
    std::uint32_t bits = 0;
    for (int const feature : features) {
        ASSERT(static_cast<unsigned>(feature) / 32 == word);
        bits |= 1U << (feature % 32);
    }
    return {kWords[word].leaf, kWords[word].subleaf, kWords[word].in, bits, show, needs_xcr0, reason};
}
consteval FeatureRow row(Show show, std::initializer_list<int> features, char const* reason) {
    return row(show, kAnyState, features, reason);
}

#define F(name) XEN_X86_FEATURE_##name

constexpr FeatureRow kTable[] = {
    // 1.EDX
    row(Show::host,
        {F(FPU), F(DE), F(TSC), F(MSR), F(PAE), F(CX8), F(SEP), F(CMOV), F(PAT), F(CLFLUSH), F(MMX), F(FXSR), F(SSE),
         F(SSE2), F(SS)},
        "usable in ring 3, or emulated; state is switched"),
    row(Show::host, {F(APIC)}, "without it Linux ignores the MADT and falls back to the old PIC"),
    row(Show::never, {F(VME)}, "no virtual-8086 mode in long mode"),
    row(Show::never, {F(PSE), F(PSE36)}, "superpages are refused"),
    row(Show::never, {F(PGE)}, "no global entries: the kernel half is absent from the user root"),
    row(Show::never, {F(MTRR)}, "memory types are the hypervisor's; the guest has PAT bits"),
    row(Show::never, {F(MCE), F(MCA)}, "machine checks are the hypervisor's"),
    row(Show::never, {F(HTT)}, "virtual CPUs are packages of one thread"),
    row(Show::never, {F(DS), F(ACPI), F(TM1), F(PBE)}, "thermal and trace MSRs are the hypervisor's"),
    // 1.ECX
    row(Show::host,
        {F(SSE3), F(PCLMULQDQ), F(SSSE3), F(CX16), F(SSE4_1), F(SSE4_2), F(MOVBE), F(POPCNT), F(AESNI), F(XSAVE),
         F(RDRAND)},
        "usable in ring 3; state is switched"),
    row(Show::host, kAvxState, {F(FMA), F(AVX), F(F16C)}, "AVX state is switched"),
    row(Show::always, {F(HYPERVISOR)}, "there is one"),
    row(Show::never, {F(OSXSAVE)}, "not a feature but a view of CR4: see osxsave_bit()"),
    row(Show::never, {F(DTES64), F(MONITOR), F(DSCPL), F(XTPR), F(PDCM), F(DCA)}, "ring 0 or MSRs that are refused"),
    row(Show::never, {F(VMX), F(SMX)}, "no nested virtualisation"),
    row(Show::never, {F(EIST), F(TM2)}, "frequency and heat are the hypervisor's"),
    row(Show::never, {F(PCID)}, "address-space tags are the hypervisor's"),
    row(Show::never, {F(X2APIC), F(TSC_DEADLINE)}, "the local APIC is the hypervisor's"),
    // 0x80000001.EDX
    row(Show::host, {F(SYSCALL), F(NX), F(MMXEXT), F(LM), F(3DNOWEXT), F(3DNOW)}, "usable in ring 3"),
    row(Show::host, {F(RDTSCP)}, "TSC_AUX is switched"),
    row(Show::never, {F(FFXSR)}, "needs EFER, which is the hypervisor's"),
    row(Show::never, {F(PAGE1GB)}, "superpages are refused"),
    // 0x80000001.ECX
    row(Show::host, {F(LAHF_LM), F(ABM), F(SSE4A), F(MISALIGNSSE), F(3DNOWPREFETCH), F(TBM)}, "usable in ring 3"),
    row(Show::host, kAvxState, {F(XOP), F(FMA4)}, "AVX state is switched"),
    row(Show::never, {F(CMP_LEGACY), F(NODEID_MSR), F(TOPOEXT)}, "virtual CPUs are packages of one thread"),
    row(Show::never, {F(SVM), F(SKINIT)}, "no nested virtualisation"),
    row(Show::never, {F(EXTAPIC), F(CR8_LEGACY)}, "the local APIC is the hypervisor's"),
    row(Show::never, {F(OSVW), F(IBS), F(WDT), F(LWP), F(DBEXT), F(MONITORX)}, "ring 0 or MSRs that are refused"),
    // 0xd.1 EAX
    row(Show::host, {F(XSAVEOPT), F(XSAVEC), F(XGETBV1)}, "usable in ring 3"),
    row(Show::never, {F(XSAVES)}, "ring 0; supervisor state is not switched"),
    // 7.0 EBX
    row(Show::host, {F(FSGSBASE)}, "hardware CR4 follows the guest's; bases are read back on each exit"),
    row(Show::host,
        {F(BMI1), F(FDP_EXCP_ONLY), F(BMI2), F(ERMS), F(NO_FPU_SEL), F(RDSEED), F(ADX), F(CLFLUSHOPT), F(CLWB), F(SHA)},
        "usable in ring 3"),
    row(Show::host, kAvxState, {F(AVX2)}, "AVX state is switched"),
    row(Show::host, kAvx512State,
        {F(AVX512F), F(AVX512DQ), F(AVX512_IFMA), F(AVX512PF), F(AVX512ER), F(AVX512CD), F(AVX512BW), F(AVX512VL)},
        "AVX-512 state is switched"),
    row(Show::never, {F(SMEP), F(SMAP)}, "the guest's kernel is in ring 3 too"),
    row(Show::never, {F(INVPCID)}, "address-space tags are the hypervisor's"),
    row(Show::never, {F(TSC_ADJUST)}, "the TSC is the hypervisor's"),
    row(Show::never, {F(HLE), F(RTM)}, "gone from newer CPUs: a guest that moves could not keep it"),
    row(Show::never, {F(MPX)}, "its state is not switched"),
    row(Show::never, {F(SGX), F(PQM), F(PQE), F(PROC_TRACE)}, "ring 0 or MSRs that are refused"),
    // 7.0 ECX
    row(Show::host, {F(PREFETCHWT1), F(GFNI), F(CLDEMOTE), F(MOVDIRI), F(MOVDIR64B)}, "usable in ring 3"),
    row(Show::host, {F(RDPID)}, "TSC_AUX is switched"),
    row(Show::host, kAvxState, {F(VAES), F(VPCLMULQDQ)}, "AVX state is switched"),
    row(Show::host, kAvx512State,
        {F(AVX512_VBMI), F(AVX512_VBMI2), F(AVX512_VNNI), F(AVX512_BITALG), F(AVX512_VPOPCNTDQ)},
        "AVX-512 state is switched"),
    row(Show::never, {F(UMIP)}, "CR4.UMIP is the hypervisor's"),
    row(Show::never, {F(PKU), F(OSPKE)}, "keys need CR4.PKE and page-table bits"),
    row(Show::never, {F(CET_SS), F(ENQCMD)}, "supervisor state is not switched"),
    // 7.0 EDX
    row(Show::host, {F(FSRM), F(SERIALIZE)}, "usable in ring 3"),
    row(Show::host, {F(MD_CLEAR)}, "VERW works in ring 3"),
    row(Show::host, kAvx512State, {F(AVX512_4VNNIW), F(AVX512_4FMAPS), F(AVX512_VP2INTERSECT), F(AVX512_FP16)},
        "AVX-512 state is switched"),
    row(Show::never,
        {F(SRBDS_CTRL), F(TSX_FORCE_ABORT), F(IBRSB), F(STIBP), F(L1D_FLUSH), F(ARCH_CAPS), F(CORE_CAPS), F(SSBD)},
        "the MSRs behind them are refused"),
    row(Show::never, {F(RTM_ALWAYS_ABORT), F(TSXLDTRK)}, "no transactional memory"),
    row(Show::never, {F(HYBRID)}, "virtual CPUs are alike"),
    row(Show::never, {F(CET_IBT)}, "supervisor state is not switched"),
    // 7.1 EAX
    row(Show::host, {F(FZRM), F(FSRS), F(FSRCS)}, "usable in ring 3"),
    row(Show::host, kAvxState, {F(AVX_VNNI)}, "AVX state is switched"),
    row(Show::host, kAvx512State, {F(AVX512_BF16)}, "AVX-512 state is switched"),
    // 0x80000007.EDX
    row(Show::fixed_here, {F(ITSC)}, "the TSC's rate; another host may have another"),
    row(Show::never, {F(HW_PSTATE), F(CPB), F(EFRO)}, "frequency is the hypervisor's"),
    // 0x80000008.EBX
    row(Show::host, {F(CLZERO), F(RSTR_FP_ERR_PTRS)}, "usable in ring 3"),
    row(Show::host, {F(SSB_NO), F(BTC_NO)}, "says what the CPU is immune to"),
    row(Show::never, {F(WBNOINVD)}, "WBINVD will do"),
    row(Show::never,
        {F(IBPB), F(IBRS), F(AMD_STIBP), F(IBRS_ALWAYS), F(STIBP_ALWAYS), F(IBRS_FAST), F(IBRS_SAME_MODE), F(AMD_SSBD),
         F(VIRT_SSBD), F(PSFD), F(IBPB_RET)},
        "the MSRs behind them are refused"),
    row(Show::never, {F(NO_LMSL), F(AMD_PPIN)}, "EFER and the serial number are the hypervisor's"),
    // 0x80000021.EAX
    row(Show::host, {F(LFENCE_DISPATCH)}, "LFENCE serialises without the guest's doing"),
    row(Show::host, {F(NSCB)}, "how ring 3 loads a null selector"),
};
#undef F

/// The bits of 0x80000001.EDX that repeat 1.EDX on AMD's CPUs; they follow its rows.
constexpr std::uint32_t kRepeatedEdx = 0x0183f3ff;

// --- reading it ----------------------------------------------------------------------------------------------------

bool shown(FeatureRow const& row, CpuidFacts const& facts) {
    if ((row.needs_xcr0 & ~facts.offered_xcr0) != 0)
        return false;
    return row.show == Show::host || (row.show == Show::fixed_here && facts.kind == DomainKind::hardware);
}

std::uint32_t features(std::uint32_t leaf, std::uint32_t subleaf, CpuidRegister in, std::uint32_t host,
                       CpuidFacts const& facts) {
    std::uint32_t seen = 0;
    for (FeatureRow const& row : kTable) {
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
/// forced view shows it from the first moment (docs/abi.md §0.5).
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
/// itself for one (docs/abi.md §0.6).
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
            return {(facts.tsc_invariant ? kTscReliable : 0) | kHasRdtscp, 0, facts.tsc_khz, facts.tsc_incarnation};
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
    case 4: return real; // the CPU's name
    case 5:
    case 6: return real; // caches and TLBs
    case 7: return {0, 0, 0, facts.tsc_invariant ? features(leaf, 0, edx, real.edx, facts) : 0};
    case 8: return address_leaf(facts, real);
    case 0x21: return {features(leaf, 0, eax, real.eax, facts), 0, 0, 0};
    default: return {};
    }
}

} // namespace

std::span<FeatureRow const> feature_table() { return kTable; }

CpuidResult guest_cpuid(std::uint32_t leaf, std::uint32_t subleaf, CpuidView view, CpuidFacts const& facts,
                        HostCpuid host) {
    if (leaf < XEN_CPUID_FIRST_LEAF)
        return basic_leaf(leaf, subleaf, view, facts, host);
    if (leaf >= kFirstExtended)
        return extended_leaf(leaf, facts, host);
    return xen_leaf(leaf, subleaf, facts);
}

} // namespace emulate
