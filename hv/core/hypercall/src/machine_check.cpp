// mca: dom0 about machine checks (<xen/arch-x86/xen-mca.h>). The hypervisor keeps no telemetry: a machine check ends it. So
// there is never anything to fetch, and VIRQ_MCA never comes; what CPUs there are is told.

#include <algorithm>
#include <cstring>

#include "abi/machine_check.hpp"
#include "arch/cpu.hpp"
#include "arch/devices.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;

/// A word of CPUID as four of @p text's characters.
void put_word(char* text, std::uint32_t word) { std::memcpy(text, &word, sizeof word); }

// CPUID.1:EAX: family and model as the SDM puts them together (volume 2A, CPUID).
constexpr std::uint32_t kExtendedFamily = 15;
constexpr std::uint32_t family_of(std::uint32_t signature) {
    auto const family = signature >> 8 & 0xf;
    return family == kExtendedFamily ? family + (signature >> 20 & 0xff) : family;
}
constexpr std::uint32_t model_of(std::uint32_t signature) {
    auto const family = signature >> 8 & 0xf;
    bool const extended = family == kExtendedFamily || family == 6;
    return (signature >> 4 & 0xf) | (extended ? (signature >> 16 & 0xf) << 4 : 0);
}

/// What all CPUs have in common.
xen_mc_logical_cpu_t describe_any() {
    xen_mc_logical_cpu_t info{};
    auto const vendor = arch::cpuid(0, 0);
    auto const basic = arch::cpuid(1, 0);
    auto const extended = arch::cpuid(0x8000'0001, 0);
    info.mc_ncores = info.mc_ncores_active = arch::online_cpus();
    info.mc_nthreads = 1;
    info.mc_cpuid_level = static_cast<std::int32_t>(vendor.eax);
    info.mc_family = family_of(basic.eax);
    info.mc_model = model_of(basic.eax);
    info.mc_step = basic.eax & 0xf;
    put_word(info.mc_vendorid, vendor.ebx);
    put_word(info.mc_vendorid + 4, vendor.edx);
    put_word(info.mc_vendorid + 8, vendor.ecx);
    for (std::uint32_t part = 0; part < 3; ++part) {
        auto const brand = arch::cpuid(0x8000'0002 + part, 0);
        std::uint32_t const words[] = {brand.eax, brand.ebx, brand.ecx, brand.edx};
        std::memcpy(info.mc_brandid + part * sizeof words, words, sizeof words);
    }
    info.mc_cpu_caps[0] = basic.edx;
    info.mc_cpu_caps[1] = extended.edx;
    info.mc_cpu_caps[4] = basic.ecx;
    info.mc_cpu_caps[6] = extended.ecx;
    info.mc_cache_alignment = (basic.ebx >> 8 & 0xff) * 8; // what CLFLUSH flushes
    return info;
}

/// A null handle asks only how many there are.
Answer physical_cpus(Call& call, xen_mc_t& op) {
    auto& request = op.u.mc_physcpuinfo;
    domain::GuestArray<xen_mc_logical_cpu_t> const into{call.vcpu, address_of(request.info)};
    auto const count = arch::online_cpus();
    auto const told = into.null() ? 0 : std::min(count, request.ncpus);
    auto info = describe_any();
    for (std::uint32_t cpu = 0; cpu < told; ++cpu) {
        info.mc_cpunr = cpu;
        info.mc_coreid = static_cast<std::uint16_t>(cpu);
        info.mc_apicid = arch::firmware_id(base::CpuId{cpu}).apic_id;
        TRY(into.write(cpu, info));
    }
    request.ncpus = told == 0 ? count : told;
    TRY(call.write(0, op));
    return 0;
}

Answer fetch(Call& call, xen_mc_t& op) {
    constexpr std::uint32_t kKnown = XEN_MC_NONURGENT | XEN_MC_URGENT | XEN_MC_ACK;
    auto& request = op.u.mc_fetch;
    auto const which = request.flags & ~std::uint32_t{XEN_MC_ACK};
    if ((request.flags & ~kKnown) != 0 || (which != XEN_MC_NONURGENT && which != XEN_MC_URGENT))
        return Err{Error::invalid};
    request.flags = (request.flags & XEN_MC_ACK) != 0 ? XEN_MC_OK : XEN_MC_NODATA;
    request.fetch_id = 0;
    TRY(call.write(0, op));
    return 0;
}

} // namespace

Answer machine_check(Call& call) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    auto op = TRY(call.read<xen_mc_t>(0));
    if (op.interface_version != XEN_MCA_INTERFACE_VERSION)
        return Err{Error::access_denied};
    switch (op.cmd) {
    case XEN_MC_fetch: return fetch(call, op);
    case XEN_MC_physcpuinfo: return physical_cpus(call, op);
    case XEN_MC_msrinject:
    case XEN_MC_mceinject:
    case XEN_MC_inject_v2: return Err{Error::not_supported};
    default: return Err{Error::invalid};
    }
}

} // namespace hypercall
