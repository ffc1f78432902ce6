// sysctl: the toolstack about the machine (docs/abi.md §9.5).

#include <algorithm>
#include <array>

#include "abi/toolstack.hpp"
#include "arch/cpu.hpp"
#include "console/global.hpp"
#include "domain/console.hpp"
#include "domain/heap.hpp"
#include "domain/preemption.hpp"
#include "hypercall/cpu_map.hpp"
#include "hypercall/cpu_policy.hpp"
#include "hypercall/domain_info.hpp"
#include "hypercall/handlers.hpp"
#include "hypercall/shares.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using base::Vaddr;
using domain::Domain;
using domain::GuestArray;

Answer answer(Call& call, xen_sysctl_t const& op) {
    TRY(call.write(0, op));
    return 0;
}

Answer physinfo(Call& call, xen_sysctl_t& op) {
    auto& system = call.domain().system;
    auto const memory = system.allocator.statistics();
    xen_sysctl_physinfo info{};
    info.threads_per_core = 1;
    info.cores_per_socket = arch::online_cpus();
    info.nr_cpus = arch::online_cpus();
    info.max_cpu_id = arch::online_cpus() - 1;
    info.nr_nodes = 1;
    info.cpu_khz = static_cast<std::uint32_t>(arch::tsc_khz());
    info.capabilities =
        XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_shadow | XEN_SYSCTL_PHYSCAP_gnttab_v1 | XEN_SYSCTL_PHYSCAP_gnttab_v2;
    info.total_pages = memory.total;
    info.free_pages = memory.free + memory.quarantined; // who asks for those gets them, once the CPUs have flushed
    info.outstanding_pages = memory.claimed;
    info.max_mfn = system.frames.size() - 1;
    auto const basic = arch::cpuid(1, 0);
    auto const extended = arch::cpuid(0x8000'0001, 0);
    auto const power = arch::cpuid(0x8000'0007, 0);
    auto const structured = arch::cpuid(7, 0);
    std::uint32_t const words[8] = {basic.edx,      basic.ecx,      extended.edx, extended.ecx, arch::cpuid(0xd, 1).eax,
                                    structured.ebx, structured.ecx, power.edx};
    std::copy(std::begin(words), std::end(words), info.hw_cap);
    op.u.physinfo = info;
    return answer(call, op);
}

Answer domain_list(Call& call, xen_sysctl_t& op) {
    auto& request = op.u.getdomaininfolist;
    GuestArray<xen_domctl_getdomaininfo_t> const into{call.vcpu, address_of(request.buffer)};
    std::uint32_t next = request.first_domain;
    std::uint32_t count = 0;
    for (; count < request.max_domains; ++count) {
        Domain* const found = first_from(call.domain().system, next);
        if (found == nullptr)
            break;
        auto const info = info_of(*found);
        TRY(into.write(count, info));
        next = info.domain + 1U;
    }
    request.num_domains = count;
    return answer(call, op);
}

Answer readconsole(Call& call, xen_sysctl_t& op) {
    auto& request = op.u.readconsole;
    std::array<char, 256> piece;
    Vaddr const into = address_of(request.buffer);
    auto from = request.incremental != 0 ? std::optional<std::uint64_t>{request.index} : std::nullopt;
    std::uint32_t done = 0;
    while (done < request.count) {
        auto const wanted = std::min<std::size_t>(piece.size(), request.count - done);
        auto const read = console::the_console.read_history(from, std::span{piece}.first(wanted));
        if (read.size == 0)
            break;
        TRY(domain::copy_to_guest(call.vcpu, call.vcpu.mode, into + done,
                                  std::as_bytes(std::span{piece}.first(read.size))));
        done += static_cast<std::uint32_t>(read.size);
        from = read.next;
    }
    if (request.clear != 0 && from)
        console::the_console.clear_history_to(*from);
    if (from)
        request.index = static_cast<std::uint32_t>(*from);
    request.count = done;
    return answer(call, op);
}

Answer debug_keys(Call& call, xen_sysctl_t const& op) {
    GuestArray<char> const keys{call.vcpu, address_of(op.u.debug_keys.keys)};
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(op.u.debug_keys.nr_keys, 16); ++i)
        domain::press_key(call.domain().system, TRY(keys.read(i)));
    return 0;
}

/// A null handle asks only how many there are.
Answer cpu_topology(Call& call, xen_sysctl_t& op) {
    auto& request = op.u.cputopoinfo;
    auto const count = arch::online_cpus();
    GuestArray<xen_sysctl_cputopo_t> const into{call.vcpu, address_of(request.cputopo)};
    if (address_of(request.cputopo).raw() != 0)
        for (std::uint32_t cpu = 0; cpu < std::min(count, request.num_cpus); ++cpu)
            TRY(into.write(cpu, xen_sysctl_cputopo_t{.core = cpu, .socket = 0, .node = 0}));
    request.num_cpus = count;
    return answer(call, op);
}

Answer memory_nodes(Call& call, xen_sysctl_t& op) {
    auto& request = op.u.numainfo;
    auto const memory = call.domain().system.allocator.statistics();
    if (request.num_nodes > 0 && address_of(request.meminfo).raw() != 0) {
        GuestArray<xen_sysctl_meminfo_t> const into{call.vcpu, address_of(request.meminfo)};
        TRY(into.write(0, xen_sysctl_meminfo_t{.memsize = memory.total << base::kPageShift,
                                               .memfree = memory.free << base::kPageShift}));
    }
    if (request.num_nodes > 0 && address_of(request.distance).raw() != 0) {
        constexpr std::uint32_t kToItself = 10; // ACPI's SLIT
        TRY(GuestArray<std::uint32_t>(call.vcpu, address_of(request.distance)).write(0, kToItself));
    }
    request.num_nodes = 1;
    return answer(call, op);
}

Answer cpu_idle_times(Call& call, xen_sysctl_t& op) {
    auto& request = op.u.getcpuinfo;
    auto& system = call.domain().system;
    GuestArray<xen_sysctl_cpuinfo_t> const into{call.vcpu, address_of(request.info)};
    request.nr_cpus = std::min(arch::online_cpus(), request.max_cpus);
    for (std::uint32_t cpu = 0; cpu < request.nr_cpus; ++cpu)
        TRY(into.write(cpu, xen_sysctl_cpuinfo_t{.idletime = system.cpus[cpu].idle.up_to(system.now())}));
    return answer(call, op);
}

/// There is one node, and where a device hangs is not known.
Answer pci_topology(Call& call, xen_sysctl_t& op) {
    auto& request = op.u.pcitopoinfo;
    GuestArray<physdev_pci_device_t> const devices{call.vcpu, address_of(request.devs)};
    GuestArray<std::uint32_t> const nodes{call.vcpu, address_of(request.nodes)};
    std::uint32_t done = 0;
    for (; done < request.num_devs && (done == 0 || !domain::should_yield(call.vcpu)); ++done) {
        TRY(devices.read(done));
        TRY(nodes.write(done, std::uint32_t{XEN_INVALID_NODE_ID}));
    }
    request.num_devs = done; // who asked for more asks again
    return answer(call, op);
}

Answer available(Call& call, xen_sysctl_t& op) {
    op.u.availheap.avail_bytes = call.domain().system.allocator.statistics().free << base::kPageShift;
    return answer(call, op);
}

Answer cpupool(Call& call, xen_sysctl_t& op) {
    auto& request = op.u.cpupool_op;
    switch (request.op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO: {
        if (request.cpupool_id > kCpuPool)
            return Err{Error::not_found};
        std::uint32_t domains = 0;
        for (std::uint32_t id = 0; Domain const* const found = first_from(call.domain().system, id); ++domains)
            id = found->id.raw() + 1U;
        request.cpupool_id = kCpuPool;
        request.sched_id = kScheduler;
        request.n_dom = domains;
        TRY(write_cpus(call, request.cpumap, online_cpus()));
        return answer(call, op);
    }
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO: TRY(write_cpus(call, request.cpumap, {})); return answer(call, op);
    default: return Err{Error::not_supported};
    }
}

} // namespace

Answer sysctl(Call& call) {
    if (!call.domain().privileged)
        return Err{Error::not_permitted};
    auto op = TRY(call.read<xen_sysctl_t>(0));
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
        return Err{Error::access_denied};
    switch (op.cmd) {
    case XEN_SYSCTL_physinfo: return physinfo(call, op);
    case XEN_SYSCTL_getdomaininfolist: return domain_list(call, op);
    case XEN_SYSCTL_readconsole: return readconsole(call, op);
    case XEN_SYSCTL_sched_id: op.u.sched_id.sched_id = kScheduler; return answer(call, op);
    case XEN_SYSCTL_debug_keys: return debug_keys(call, op);
    case XEN_SYSCTL_cputopoinfo: return cpu_topology(call, op);
    case XEN_SYSCTL_pcitopoinfo: return pci_topology(call, op);
    case XEN_SYSCTL_numainfo: return memory_nodes(call, op);
    case XEN_SYSCTL_getcpuinfo: return cpu_idle_times(call, op);
    case XEN_SYSCTL_availheap: return available(call, op);
    case XEN_SYSCTL_scheduler_op: return scheduler_parameters(call, op);
    case XEN_SYSCTL_cpupool_op: return cpupool(call, op);
    case XEN_SYSCTL_get_cpu_featureset: return get_featureset(call, op);
    case XEN_SYSCTL_get_cpu_policy: return get_system_cpu_policy(call, op);
    default: return Err{Error::not_implemented};
    }
}

} // namespace hypercall
