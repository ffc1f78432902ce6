#include "emulate/msr_policy.hpp"

#include <algorithm>
#include <iterator>

namespace emulate {
namespace {

using Read = MsrRead;
using Write = MsrWrite;

constexpr std::uint64_t kAll = ~std::uint64_t{0};

constexpr std::uint64_t kEferVisible = 1U << 0 | 1U << 8 | 1U << 10 | 1U << 11; // SCE LME LMA NXE
constexpr std::uint64_t kApicBase = 0xfee0'0000 | 1U << 11;                     // enabled, at its usual place
// IA32_MISC_ENABLE (SDM vol. 4): no performance monitoring, MONITOR, leaf limit or NX off; no BTS, no PEBS.
constexpr std::uint64_t kMiscHidden = 1U << 7 | 1U << 18 | 1U << 22 | std::uint64_t{1} << 34;
constexpr std::uint64_t kMiscUnavailable = 1U << 11 | 1U << 12;

constexpr MsrRow one(std::uint32_t msr, Read read, Write write, std::uint64_t value, std::uint64_t keep,
                     char const* reason) {
    return {msr, msr, read, write, value, keep, reason};
}
constexpr MsrRow zero(std::uint32_t first, std::uint32_t last, Write write, char const* reason) {
    return {first, last, Read::constant, write, 0, 0, reason};
}

/// In rising order; ranges do not overlap. MSRs that matter most and yet are not here are refused on purpose: SPEC_CTRL,
/// PRED_CMD, ARCH_CAPABILITIES (their CPUID bits are hidden), MTRRs, the x2APIC range, power and turbo control.
constexpr MsrRow kTable[] = {
    one(0x10, Read::tsc, Write::ignore, 0, 0, "TSC: nobody sets the hypervisor's clock"),
    one(0x17, Read::host, Write::refuse, 0, kAll, "PLATFORM_ID: microcode tools look at it"),
    one(0x1b, Read::apic_base, Write::same_only, kApicBase, 0,
        "APIC_BASE: the APIC that CPUID shows, not the real one"),
    one(0x3a, Read::constant, Write::refuse, 1, 0, "FEATURE_CONTROL: locked, with nothing on"),
    one(0x8b, Read::host, Write::zero_only, 0, kAll, "BIOS_SIGN_ID: Linux writes 0 before it reads the revision"),
    zero(0xc1, 0xc8, Write::ignore, "PMC: no performance counters (CPUID leaf 0xa is empty)"),
    zero(0xce, 0xce, Write::refuse, "PLATFORM_INFO: no CPUID faulting to offer"),
    zero(0x140, 0x140, Write::zero_only, "MISC_FEATURES_ENABLES: none of them"),
    zero(0x174, 0x176, Write::refuse, "SYSENTER_*: the hypervisor's; callback_op says where to enter"),
    zero(0x179, 0x17b, Write::ignore, "MCG_*: machine checks are the hypervisor's, no banks"),
    zero(0x186, 0x18d, Write::ignore, "PERFEVTSEL: no performance counters"),
    one(0x1a0, Read::host, Write::same_only, kMiscUnavailable, ~(kMiscHidden | kMiscUnavailable),
        "MISC_ENABLE: as the CPU has it, without what CPUID hides"),
    one(0x277, Read::host, Write::refuse, 0, kAll, "PAT: one for the whole machine; Linux adopts it"),
    zero(0x309, 0x30b, Write::ignore, "FIXED_CTR: no performance counters"),
    zero(0x38d, 0x390, Write::ignore, "PERF_GLOBAL_*: no performance counters"),
    zero(0x400, 0x47f, Write::ignore, "MCi_*: machine checks are the hypervisor's"),
    zero(0x4000'0000, 0x4000'00ff, Write::refuse, "hypervisor MSRs: PV kernels get the hypercall page by an ELF note"),
    one(0xc000'0080, Read::host, Write::same_only, 0, kEferVisible, "EFER: the hypervisor's; SVME is hidden"),
    zero(0xc000'0081, 0xc000'0084, Write::refuse, "STAR, LSTAR, CSTAR, FMASK: SYSCALL enters the hypervisor"),
    one(0xc000'0100, Read::fs_base, Write::fs_base, 0, 0, "FS_BASE: live"),
    one(0xc000'0101, Read::gs_base, Write::gs_base, 0, 0, "GS_BASE: live; Linux's first instructions write it"),
    one(0xc000'0102, Read::inactive_gs_base, Write::inactive_gs_base, 0, 0, "KERNEL_GS_BASE: the user's GS base"),
    one(0xc000'0103, Read::tsc_aux, Write::tsc_aux, 0, 0, "TSC_AUX: switched with the vCPU, for RDTSCP and RDPID"),
    zero(0xc001'0000, 0xc001'0007, Write::ignore, "AMD PERFEVTSEL, PERFCTR: no performance counters"),
    one(0xc001'0010, Read::host_for_hardware, Write::ignore, 0, kAll, "AMD SYSCFG: dom0 finds its buses with it"),
    zero(0xc001'0015, 0xc001'0015, Write::ignore, "AMD HWCR: nothing to control"),
    one(0xc001'001a, Read::host_for_hardware, Write::refuse, 0, kAll, "AMD TOP_MEM: dom0 finds its buses with it"),
    one(0xc001'001d, Read::host_for_hardware, Write::refuse, 0, kAll, "AMD TOP_MEM2: likewise"),
    zero(0xc001'001f, 0xc001'001f, Write::ignore, "AMD NB_CFG: nothing to configure"),
    zero(0xc001'0058, 0xc001'0058, Write::ignore, "AMD MMIO_CONF_BASE: configuration space comes by the MCFG table"),
    zero(0xc001'0200, 0xc001'020b, Write::ignore, "AMD PERF_CTL, PERF_CTR: no performance counters"),
    one(0xc001'1029, Read::constant, Write::ignore, 1U << 1, 0, "AMD DE_CFG: LFENCE serialises"),
};

constexpr bool rising() {
    for (std::size_t i = 0; i < std::size(kTable); ++i) {
        if (kTable[i].first > kTable[i].last)
            return false;
        if (i > 0 && kTable[i - 1].last >= kTable[i].first)
            return false;
    }
    return true;
}
static_assert(rising(), "find_msr() searches by halves");

} // namespace

std::span<MsrRow const> msr_table() { return kTable; }

MsrRow const* find_msr(std::uint32_t msr) {
    auto const* const found =
        std::lower_bound(std::begin(kTable), std::end(kTable), msr,
                         [](MsrRow const& row, std::uint32_t wanted) { return row.last < wanted; });
    return found != std::end(kTable) && found->first <= msr ? found : nullptr;
}

} // namespace emulate
