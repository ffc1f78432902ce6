#include "emulate/cpuid_policy.hpp"

#include <cstring>
#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "abi/cpuid.hpp"
#include "emulate/control_policy.hpp"

namespace emulate {
namespace {

using arch::CpuidResult;

/// A host that has every feature bit there is, and AVX-512.
struct Host {
    std::map<std::pair<std::uint32_t, std::uint32_t>, CpuidResult> leaves{
        {{0, 0}, {0x20, 0x756e6547, 0x6c65746e, 0x49656e69}}, // GenuineIntel
        {{1, 0}, {0x000906ea, 0x07'10'08'00, ~0U, ~0U}},
        {{2, 0}, {0x76036301, 0xf0b5ff, 0, 0xc30000}},
        {{4, 0}, {0x1c004121, 0x01c0003f, 0x3f, 0}},
        {{5, 0}, {~0U, ~0U, ~0U, ~0U}},
        {{6, 0}, {~0U, ~0U, ~0U, ~0U}},
        {{7, 0}, {2, ~0U, ~0U, ~0U}},
        {{7, 1}, {~0U, ~0U, ~0U, ~0U}},
        {{7, 2}, {~0U, ~0U, ~0U, ~0U}},
        {{0xa, 0}, {~0U, ~0U, ~0U, ~0U}},
        {{0xb, 0}, {1, 2, 0x100, 7}},
        {{0xd, 0}, {0x2e7, 2696, 2696, 0}},
        {{0xd, 1}, {~0U, 2568, 0x1900, 0}},
        {{0xd, 2}, {256, 576, 0, 0}},
        {{0xd, 5}, {64, 1088, 0, 0}},
        {{0xd, 6}, {512, 1152, 0, 0}},
        {{0xd, 7}, {1024, 1664, 0, 0}},
        {{0xd, 8}, {128, 0, 1, 0}}, // supervisor state
        {{0xd, 9}, {8, 2688, 0, 0}},
        {{0x14, 0}, {~0U, ~0U, ~0U, ~0U}},
        {{0x15, 0}, {2, 216, 24'000'000, 0}},
        {{0x80000000, 0}, {0x80000028, 0x68747541, 0x444d4163, 0x69746e65}},
        {{0x80000001, 0}, {0x00a20f12, 0x20000000, ~0U, ~0U}},
        {{0x80000002, 0}, {1, 2, 3, 4}},
        {{0x80000004, 0}, {5, 6, 7, 8}},
        {{0x80000006, 0}, {9, 10, 11, 12}},
        {{0x80000007, 0}, {~0U, ~0U, ~0U, ~0U}},
        {{0x80000008, 0}, {0x3030, ~0U, 0x700f, ~0U}},
        {{0x8000001f, 0}, {~0U, ~0U, ~0U, ~0U}},
        {{0x80000021, 0}, {~0U, ~0U, ~0U, ~0U}},
        {{0x80000028, 0}, {~0U, ~0U, ~0U, ~0U}},
    };
    CpuidResult operator()(std::uint32_t leaf, std::uint32_t subleaf) const {
        bool const has_subleaves = leaf == 7 || leaf == 0xd || leaf == 4 || leaf == 0xb;
        auto const found = leaves.find({leaf, has_subleaves ? subleaf : 0});
        return found == leaves.end() ? CpuidResult{} : found->second;
    }
};

struct Cpuid : testing::Test {
    Host host;
    CpuidFacts facts{.offered_xcr0 = 0xe7};

    CpuidResult see(std::uint32_t leaf, std::uint32_t subleaf = 0, CpuidView view = CpuidView::forced) {
        return guest_cpuid(leaf, subleaf, view, facts, host);
    }
    /// Whether the guest sees XEN_X86_FEATURE_x, of any word but 4 and 10.
    bool shows(int feature, CpuidView view = CpuidView::forced) {
        auto const bit = [&](std::uint32_t word) { return (word >> (feature % 32) & 1) != 0; };
        switch (feature / 32) {
        case 0: return bit(see(1, 0, view).edx);
        case 1: return bit(see(1, 0, view).ecx);
        case 2: return bit(see(0x80000001, 0, view).edx);
        case 3: return bit(see(0x80000001, 0, view).ecx);
        case 5: return bit(see(7, 0, view).ebx);
        case 6: return bit(see(7, 0, view).ecx);
        case 7: return bit(see(0x80000007, 0, view).edx);
        case 8: return bit(see(0x80000008, 0, view).ebx);
        case 9: return bit(see(7, 0, view).edx);
        case 11: return bit(see(0x80000021, 0, view).eax);
        default: ADD_FAILURE() << feature; return false;
        }
    }
};

void expect_zero(CpuidResult const& seen) {
    EXPECT_EQ(seen.eax, 0U);
    EXPECT_EQ(seen.ebx, 0U);
    EXPECT_EQ(seen.ecx, 0U);
    EXPECT_EQ(seen.edx, 0U);
}

TEST_F(Cpuid, HidesWhatWouldMakeLinuxUseTheHypervisorsRegisters) { // docs/abi.md §0, 5
    for (int const feature :
         {XEN_X86_FEATURE_SMAP,         XEN_X86_FEATURE_SMEP,       XEN_X86_FEATURE_UMIP,     XEN_X86_FEATURE_PCID,
          XEN_X86_FEATURE_INVPCID,      XEN_X86_FEATURE_PSE,        XEN_X86_FEATURE_PGE,      XEN_X86_FEATURE_PKU,
          XEN_X86_FEATURE_OSPKE,        XEN_X86_FEATURE_X2APIC,     XEN_X86_FEATURE_MONITOR,  XEN_X86_FEATURE_VMX,
          XEN_X86_FEATURE_TSC_DEADLINE, XEN_X86_FEATURE_MTRR,       XEN_X86_FEATURE_VME,      XEN_X86_FEATURE_HTT,
          XEN_X86_FEATURE_MCE,          XEN_X86_FEATURE_MCA,        XEN_X86_FEATURE_PAGE1GB,  XEN_X86_FEATURE_SVM,
          XEN_X86_FEATURE_TOPOEXT,      XEN_X86_FEATURE_CET_SS,     XEN_X86_FEATURE_CET_IBT,  XEN_X86_FEATURE_IBRSB,
          XEN_X86_FEATURE_ARCH_CAPS,    XEN_X86_FEATURE_IBPB,       XEN_X86_FEATURE_WBNOINVD, XEN_X86_FEATURE_HLE,
          XEN_X86_FEATURE_RTM,          XEN_X86_FEATURE_TSC_ADJUST, XEN_X86_FEATURE_HYBRID})
        EXPECT_FALSE(shows(feature)) << feature;
    constexpr std::uint32_t kFiveLevels = 1U << 16; // LA57
    EXPECT_EQ(see(7).ecx & kFiveLevels, 0U);
    constexpr std::uint32_t kLinearAddressMasking = 1U << 26;
    EXPECT_EQ(see(7, 1).eax & kLinearAddressMasking, 0U);
}

TEST_F(Cpuid, ShowsWhatRing3CanUse) {
    for (int const feature : {XEN_X86_FEATURE_FPU,
                              XEN_X86_FEATURE_TSC,
                              XEN_X86_FEATURE_MSR,
                              XEN_X86_FEATURE_PAE,
                              XEN_X86_FEATURE_CX8,
                              XEN_X86_FEATURE_SEP,
                              XEN_X86_FEATURE_CMOV,
                              XEN_X86_FEATURE_PAT,
                              XEN_X86_FEATURE_FXSR,
                              XEN_X86_FEATURE_SSE2,
                              XEN_X86_FEATURE_APIC,
                              XEN_X86_FEATURE_CX16,
                              XEN_X86_FEATURE_AVX,
                              XEN_X86_FEATURE_XSAVE,
                              XEN_X86_FEATURE_SYSCALL,
                              XEN_X86_FEATURE_NX,
                              XEN_X86_FEATURE_LM,
                              XEN_X86_FEATURE_RDTSCP,
                              XEN_X86_FEATURE_LAHF_LM,
                              XEN_X86_FEATURE_FSGSBASE,
                              XEN_X86_FEATURE_AVX2,
                              XEN_X86_FEATURE_AVX512F,
                              XEN_X86_FEATURE_RDPID,
                              XEN_X86_FEATURE_MD_CLEAR,
                              XEN_X86_FEATURE_LFENCE_DISPATCH,
                              XEN_X86_FEATURE_NSCB})
        EXPECT_TRUE(shows(feature)) << feature;
}

TEST_F(Cpuid, ShowsNoFeatureThatTheHostLacks) {
    for (auto& [where, result] : host.leaves)
        if (where.first == 1 || where.first == 7 || where.first == 0x80000001)
            result = {result.eax, 0, 0, 0};
    for (int const feature : {XEN_X86_FEATURE_AVX, XEN_X86_FEATURE_XSAVE, XEN_X86_FEATURE_OSXSAVE, XEN_X86_FEATURE_AVX2,
                              XEN_X86_FEATURE_APIC, XEN_X86_FEATURE_RDTSCP})
        EXPECT_FALSE(shows(feature)) << feature;
    EXPECT_TRUE(shows(XEN_X86_FEATURE_HYPERVISOR)); // Tern is there, whatever the host says
}

TEST_F(Cpuid, OsxsaveLeaksIntoTheForcedViewAndFollowsCr4InTheNativeOne) {
    EXPECT_TRUE(shows(XEN_X86_FEATURE_OSXSAVE, CpuidView::forced));
    EXPECT_FALSE(shows(XEN_X86_FEATURE_OSXSAVE, CpuidView::native));
    facts.guest_cr4 = kCr4OsXsave;
    EXPECT_TRUE(shows(XEN_X86_FEATURE_OSXSAVE, CpuidView::native));
}

TEST_F(Cpuid, HidesInstructionsWhoseStateIsNotOffered) {
    facts.offered_xcr0 = 3;
    EXPECT_FALSE(shows(XEN_X86_FEATURE_AVX));
    EXPECT_FALSE(shows(XEN_X86_FEATURE_FMA));
    EXPECT_FALSE(shows(XEN_X86_FEATURE_AVX2));
    EXPECT_FALSE(shows(XEN_X86_FEATURE_VAES));
    EXPECT_TRUE(shows(XEN_X86_FEATURE_XSAVE));
    facts.offered_xcr0 = 7;
    EXPECT_TRUE(shows(XEN_X86_FEATURE_AVX));
    EXPECT_FALSE(shows(XEN_X86_FEATURE_AVX512F));
}

TEST_F(Cpuid, GivesEachVcpuAnApicIdAndNoSiblings) {
    for (std::uint32_t const id : {0U, 1U, 5U}) {
        facts.vcpu = base::VcpuId{id};
        EXPECT_EQ(see(1).ebx, id * 2 << 24 | 1U << 16 | 0x0800);
    }
    EXPECT_EQ(see(1).eax, 0x000906eaU);
    EXPECT_EQ(see(4).eax, 0x121U);
    EXPECT_EQ(see(4).ebx, 0x01c0003fU);
    expect_zero(see(0xb));
    EXPECT_EQ(see(0x80000008).ecx, 0U);
}

TEST_F(Cpuid, NamesTheCpu) {
    EXPECT_EQ(see(0).ebx, 0x756e6547U);
    EXPECT_EQ(see(0x80000002).edx, 4U);
    EXPECT_EQ(see(0x80000004).eax, 5U);
    EXPECT_EQ(see(0x80000006).ecx, 11U);
    EXPECT_EQ(see(2).eax, 0x76036301U);
}

TEST_F(Cpuid, EndsWhereTheTableEnds) {
    EXPECT_EQ(see(0).eax, 0xdU);
    EXPECT_EQ(see(0x80000000).eax, 0x80000021U);
    for (std::uint32_t const leaf :
         {0x3U, 0x5U, 0x6U, 0xaU, 0x14U, 0x15U, 0x1fU, 0x80000028U, 0x8000001fU, 0xffffffffU})
        expect_zero(see(leaf));
    expect_zero(see(7, 2));
    EXPECT_EQ(see(7).eax, 1U);
    host.leaves[{0, 0}].eax = 4; // an old CPU
    expect_zero(see(7));
    EXPECT_EQ(see(0).eax, 4U);
    host.leaves.erase({0x80000000, 0});
    expect_zero(see(0x80000001));
    expect_zero(see(0x80000000));
}

TEST_F(Cpuid, DescribesTheExtendedStateThatIsOffered) {
    facts.guest_xcr0 = 1;
    CpuidResult seen = see(0xd);
    EXPECT_EQ(seen.eax, 0xe7U); // not PKRU
    EXPECT_EQ(seen.ebx, 576U);
    EXPECT_EQ(seen.ecx, 2688U);
    EXPECT_EQ(seen.edx, 0U);
    facts.guest_xcr0 = 7;
    EXPECT_EQ(see(0xd).ebx, 832U);
    facts.guest_xcr0 = 0xe7;
    EXPECT_EQ(see(0xd).ebx, 2688U);
    facts.offered_xcr0 = 7;
    EXPECT_EQ(see(0xd).ecx, 832U);
}

TEST_F(Cpuid, DescribesTheCompactedAreaWithoutSupervisorState) {
    facts.guest_xcr0 = 0xe7;
    CpuidResult seen = see(0xd, 1);
    EXPECT_EQ(seen.eax, 7U); // XSAVEOPT XSAVEC XGETBV1, no XSAVES
    EXPECT_EQ(seen.ebx, 576U + 256 + 64 + 512 + 1024);
    EXPECT_EQ(seen.ecx, 0U);
    host.leaves[{0xd, 6}].ecx = 2; // 64-byte aligned: after 576 + 256 + 64 it is already
    host.leaves[{0xd, 5}].eax = 8;
    EXPECT_EQ(see(0xd, 1).ebx, 896U + 512 + 1024); // 576 + 256 + 8, aligned
    host.leaves[{0xd, 1}].eax = 1;                 // no XSAVEC
    EXPECT_EQ(see(0xd, 1).ebx, 0U);
}

TEST_F(Cpuid, DescribesOnlyStatesThatAreOffered) {
    EXPECT_EQ(see(0xd, 2).eax, 256U);
    EXPECT_EQ(see(0xd, 2).ebx, 576U);
    expect_zero(see(0xd, 8)); // supervisor
    expect_zero(see(0xd, 9)); // PKRU
    expect_zero(see(0xd, 63));
    expect_zero(see(0xd, 0x1000'0002)); // not reduced
}

TEST_F(Cpuid, ShowsAnInvariantTscWhereItStays) {
    facts.tsc_stable = true;
    facts.kind = DomainKind::hardware;
    EXPECT_TRUE(shows(XEN_X86_FEATURE_ITSC));
    facts.tsc_stable = false;
    EXPECT_FALSE(shows(XEN_X86_FEATURE_ITSC));
    facts.tsc_stable = true;
    facts.kind = DomainKind::translated;
    EXPECT_FALSE(shows(XEN_X86_FEATURE_ITSC));
    EXPECT_EQ(see(0x80000007).eax, 0U);
}

TEST_F(Cpuid, TellsTheWidthOfTheDomainsOwnAddresses) { // SP-24
    EXPECT_EQ(see(0x80000008).eax, 48U << 8 | 44);
    EXPECT_EQ(see(0x40000005).ebx, 44U);
    facts.kind = DomainKind::hardware;
    facts.machine_address_bits = 39;
    EXPECT_EQ(see(0x80000008).eax, 48U << 8 | 48);
    EXPECT_EQ(see(0x40000005).ebx, 39U);
}

TEST_F(Cpuid, RepeatsLeaf1OnAmdAsItShowsIt) {
    std::uint32_t const repeated = see(0x80000001).edx & 0x0183f3ff;
    EXPECT_EQ(repeated, see(1).edx & 0x0183f3ff);
    host.leaves[{0x80000001, 0}].edx &= ~0x0183f3ffU; // Intel does not
    EXPECT_EQ(see(0x80000001).edx & 0x0183f3ff, 0U);
}

// --- the hypervisor's own leaves -----------------------------------------------------------------------------------

TEST_F(Cpuid, IsFoundAsXen) {
    CpuidResult const seen = see(0x40000000);
    char text[13] = {};
    std::memcpy(text, &seen.ebx, 4);
    std::memcpy(text + 4, &seen.ecx, 4);
    std::memcpy(text + 8, &seen.edx, 4);
    EXPECT_STREQ(text, "XenVMMXenVMM");
    EXPECT_EQ(seen.eax, 0x40000005U);
    EXPECT_EQ(see(0x40000001).eax, 4U << 16 | 17);
    EXPECT_EQ(see(0x40000002).eax, 1U);
    EXPECT_EQ(see(0x40000002).ecx, 1U);
}

TEST_F(Cpuid, HasNothingForHvmGuests) { // docs/abi.md §0, 6
    for (std::uint32_t subleaf = 0; subleaf < 4; ++subleaf)
        expect_zero(see(0x40000004, subleaf));
}

TEST_F(Cpuid, TellsTheTime) {
    facts.tsc_khz = 2'400'000;
    facts.host_tsc_khz = 3'000'000;
    facts.tsc_mode = 2;
    facts.tsc_incarnation = 5;
    facts.tsc_stable = true;
    facts.tsc_offset = 0x1'0000'0002;
    facts.tsc_to_ns_mul = 0xd555'5555;
    facts.tsc_to_ns_shift = -1;
    EXPECT_EQ(see(0x40000003).eax, 6U);
    EXPECT_EQ(see(0x40000003).ebx, 2U);
    EXPECT_EQ(see(0x40000003).ecx, 2'400'000U);
    EXPECT_EQ(see(0x40000003).edx, 5U);
    EXPECT_EQ(see(0x40000003, 1).eax, 2U);
    EXPECT_EQ(see(0x40000003, 1).ebx, 1U);
    EXPECT_EQ(see(0x40000003, 1).ecx, 0xd555'5555U);
    EXPECT_EQ(see(0x40000003, 1).edx, ~0U);
    EXPECT_EQ(see(0x40000003, 2).eax, 3'000'000U);
    expect_zero(see(0x40000003, 3));
}

TEST_F(Cpuid, HasNoOtherHypervisorLeaves) {
    expect_zero(see(0x40000005, 1));
    expect_zero(see(0x40000006));
    expect_zero(see(0x40000100));
    expect_zero(see(0x4fffffff));
    expect_zero(see(0x7fffffff));
}

// --- the table -----------------------------------------------------------------------------------------------------

TEST(CpuidTable, NamesEachBitOnceWithAReason) {
    std::map<std::tuple<std::uint32_t, std::uint32_t, CpuidRegister>, std::uint32_t> seen;
    for (FeatureRow const& row : feature_table()) {
        EXPECT_STRNE(row.reason, "");
        EXPECT_NE(row.bits, 0U);
        auto& named = seen[{row.leaf, row.subleaf, row.in}];
        EXPECT_EQ(named & row.bits, 0U) << std::hex << row.leaf << ' ' << row.bits << ' ' << row.reason;
        named |= row.bits;
    }
}

} // namespace
} // namespace emulate
