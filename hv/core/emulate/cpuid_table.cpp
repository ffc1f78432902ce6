#include "emulate/cpuid_policy.hpp"

#include <array>
#include <initializer_list>

#include "abi/cpuid.hpp"
#include "base/assert.hpp"

namespace emulate {
namespace {

using enum CpuidRegister;

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

} // namespace

std::span<FeatureRow const> feature_table() { return kTable; }

} // namespace emulate
