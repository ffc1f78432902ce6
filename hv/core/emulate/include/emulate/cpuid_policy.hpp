/// What a PV guest sees of the CPU, and why: one table (docs/abi.md §4.4), in cpuid_table.cpp.
///
/// Everything that the table does not name reads zero. A guest sees the host's value of a feature only if Tern runs
/// guests with it: it is usable in ring 3, switched with the vCPU, and needs no control register that Tern owns.
#pragma once

#include <cstdint>
#include <span>

#include "arch/cpu.hpp"
#include "base/function_ref.hpp"
#include "base/number.hpp"
#include "emulate/domain_kind.hpp"

namespace emulate {

/// How the guest asked.
enum class CpuidView : std::uint8_t {
    forced, ///< by the forced-emulation prefix: the kernel. OSXSAVE shows as soon as XSAVE is offered (docs/abi.md §0, 5)
    native, ///< by a plain CPUID that faulted: user space. OSXSAVE follows the guest's CR4
};

using HostCpuid = base::FunctionRef<arch::CpuidResult(std::uint32_t leaf, std::uint32_t subleaf)>;

struct CpuidFacts {
    DomainKind kind = DomainKind::translated;
    base::VcpuId vcpu{};
    std::uint64_t guest_cr4 = 0;
    std::uint64_t guest_xcr0 = 1;
    std::uint64_t offered_xcr0 = 1; ///< arch::supported_xcr0(), or what the domain's policy left of it
    std::uint32_t tsc_khz = 0;      ///< of the guest's TSC
    std::uint32_t host_tsc_khz = 0;
    std::uint64_t tsc_offset = 0;    ///< guest's TSC less the host's
    std::uint32_t tsc_to_ns_mul = 0; ///< as in vcpu_time_info
    std::int8_t tsc_to_ns_shift = 0;
    std::uint32_t tsc_mode = 0;             ///< as the toolstack has set it (xen-tscmode(7))
    std::uint32_t tsc_incarnation = 0;      ///< how often the domain has moved
    bool tsc_stable = false;                ///< arch::tsc_stable()
    std::uint8_t machine_address_bits = 44; ///< of the highest machine address; direct domains see it
};

/// Guest-physical width of a translated domain, on every host (SP-24).
inline constexpr std::uint8_t kTranslatedAddressBits = 44;

[[nodiscard]] arch::CpuidResult guest_cpuid(std::uint32_t leaf, std::uint32_t subleaf, CpuidView view,
                                            CpuidFacts const& facts, HostCpuid host);

/// A row of the table: some features of one register, how they show, and why.
enum class Show : std::uint8_t {
    host, ///< as the CPU has them
    never,
    always,
    fixed_here, ///< as the CPU has them, to dom0 only: true of this machine, not of the next
};
enum class CpuidRegister : std::uint8_t { eax, ebx, ecx, edx };
struct FeatureRow {
    std::uint32_t leaf = 0;
    std::uint32_t subleaf = 0;
    CpuidRegister in{};
    std::uint32_t bits = 0;
    Show show{};
    std::uint64_t needs_xcr0 = 0; ///< hidden unless all of these states are offered
    char const* reason = "";
};
[[nodiscard]] std::span<FeatureRow const> feature_table();

} // namespace emulate
