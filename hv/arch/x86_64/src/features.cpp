#include "x86/features.hpp"

#include "x86/cpuid.hpp"
#include "x86/msr.hpp"
#include "x86/sealed.hpp"

namespace x86 {

namespace {

SEALED Features found;

constexpr bool bit(std::uint32_t word, unsigned number) { return (word >> number & 1) != 0; }

arch::CpuidResult leaf(std::uint32_t number, std::uint32_t subleaf = 0) {
    return cpuid(number & 0x8000'0000).eax >= number ? cpuid(number, subleaf) : arch::CpuidResult{};
}

/// TCG has no invariant TSC to announce, yet its TSC is one clock for all CPUs, of one rate. Its signature is CPUID
/// 0x40000000's (QEMU, "TCGTCGTCGTCG").
bool emulated_by_tcg() {
    constexpr std::uint32_t kHypervisor = 0x4000'0000;
    if (!bit(cpuid(1).ecx, 31))
        return false;
    auto const name = cpuid(kHypervisor);
    return name.ebx == 0x5447'4354 && name.ecx == 0x4354'4743 && name.edx == 0x4743'5447;
}

} // namespace

void detect_features(Features const& allowed) {
    auto const basic = leaf(1);
    auto const extended = leaf(7);
    auto const state = leaf(0xd, 1);
    auto const amd = leaf(0x8000'0001);
    auto const power = leaf(0x8000'0007);

    found.smep = allowed.smep && bit(extended.ebx, 7);
    found.smap = allowed.smap && bit(extended.ebx, 20);
    found.umip = allowed.umip && bit(extended.ecx, 2);
    found.pcid = allowed.pcid && bit(basic.ecx, 17);
    found.invpcid = found.pcid && bit(extended.ebx, 10);
    found.xsave = allowed.xsave && bit(basic.ecx, 26);
    found.xsaveopt = found.xsave && bit(state.eax, 0);
    found.x2apic = allowed.x2apic && bit(basic.ecx, 21);
    found.tsc_deadline = allowed.tsc_deadline && bit(basic.ecx, 24);
    found.tsc_aux = bit(amd.edx, 27) || bit(extended.ecx, 22);
    found.fsgsbase = bit(extended.ebx, 0);
    found.gigabyte_pages = bit(amd.edx, 26);
    found.stable_tsc = allowed.stable_tsc && (bit(power.edx, 8) || emulated_by_tcg());
}

Features const& features() { return found; }

bool walls_are_soft() {
    constexpr std::uint32_t kArchCapabilities = 0x10a; // bit 0: RDCL_NO
    bool const intel = cpuid(0).ebx == 0x756e'6547;    // "Genu"
    bool const told = bit(leaf(7).edx, 29);
    return intel && !(told && (rdmsr_safe(kArchCapabilities).value_or(0) & 1) != 0);
}

} // namespace x86
