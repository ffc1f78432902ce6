/// What domain 0's tools ask of the hypervisor: about the machine, its domains, its clock (docs/abi.md §9).
#include "abi/toolstack.hpp"
#include "lib/events.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/vcpu.hpp"

using namespace lib;

namespace {

std::int64_t sysctl(unsigned command, xen_sysctl_t& op) {
    op.cmd = command;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hypercall(__HYPERVISOR_sysctl, &op);
}

std::int64_t domctl(unsigned command, xen_domctl_t& op, domid_t domain = 0) {
    op.cmd = command;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = domain;
    return hypercall(__HYPERVISOR_domctl, &op);
}

std::int64_t platform(unsigned command, xen_platform_op_t& op) {
    op.cmd = command;
    op.interface_version = XENPF_INTERFACE_VERSION;
    return hypercall(__HYPERVISOR_platform_op, &op);
}

void check_is_me(xen_domctl_getdomaininfo_t const& info) {
    domid_t self = DOMID_SELF;
    CHECK_EQ(info.domain, 0);
    CHECK_EQ(info.tot_pages, memory_op(XENMEM_current_reservation, &self));
    CHECK_EQ(info.nr_online_vcpus, 1);
    CHECK_EQ(info.max_vcpu_id + 1, vcpus());
    CHECK((info.flags & XEN_DOMINF_running) != 0);
    CHECK_EQ(info.shared_info_frame, startup().shared_info >> 12);
}

} // namespace

TEST("each of these calls has a version of its interface: another one's is refused, and so is what is no call") {
    xen_sysctl_t about_machine{};
    xen_domctl_t about_domain{};
    xen_platform_op_t to_machine{};
    CHECK_EQ(hypercall(__HYPERVISOR_sysctl, &about_machine), kEACCES);
    CHECK_EQ(hypercall(__HYPERVISOR_domctl, &about_domain), kEACCES);
    CHECK_EQ(hypercall(__HYPERVISOR_platform_op, &to_machine), kEACCES);
    CHECK_EQ(sysctl(9999, about_machine), kENOSYS);
    CHECK_EQ(domctl(9999, about_domain), kENOSYS);
    CHECK_EQ(platform(9999, to_machine), kENOSYS);
}

TEST("the machine has processors and memory, and some of it is free") {
    xen_sysctl_t op{};
    CHECK_EQ(sysctl(XEN_SYSCTL_physinfo, op), 0);
    xen_sysctl_physinfo const info = op.u.physinfo;
    CHECK(info.nr_cpus >= 1 && info.max_cpu_id >= info.nr_cpus - 1);
    CHECK(info.nr_nodes >= 1 && info.cpu_khz > 1000);
    CHECK(info.total_pages > startup().nr_pages && info.free_pages < info.total_pages);
    CHECK((info.capabilities & XEN_SYSCTL_PHYSCAP_pv) != 0);
    op = {};
    op.u.availheap.node = -1;
    CHECK_EQ(sysctl(XEN_SYSCTL_availheap, op), 0);
    CHECK(op.u.availheap.avail_bytes <= info.total_pages * kPageSize);
    op = {};
    CHECK_EQ(sysctl(XEN_SYSCTL_cputopoinfo, op), 0);
    CHECK_EQ(op.u.cputopoinfo.num_cpus, info.max_cpu_id + 1);
}

TEST("this is the only domain") {
    static xen_domctl_getdomaininfo_t found[4];
    xen_sysctl_t op{};
    op.u.getdomaininfolist.max_domains = 4;
    op.u.getdomaininfolist.buffer.p = found;
    CHECK_EQ(sysctl(XEN_SYSCTL_getdomaininfolist, op), 0);
    CHECK_EQ(op.u.getdomaininfolist.num_domains, 1);
    check_is_me(found[0]);
    op.u.getdomaininfolist.first_domain = 1;
    CHECK_EQ(sysctl(XEN_SYSCTL_getdomaininfolist, op), 0);
    CHECK_EQ(op.u.getdomaininfolist.num_domains, 0);

    xen_domctl_t about{};
    CHECK_EQ(domctl(XEN_DOMCTL_getdomaininfo, about), 0);
    check_is_me(about.u.getdomaininfo);
    CHECK_EQ(domctl(XEN_DOMCTL_getdomaininfo, about, 1), kESRCH);
}

TEST("a domain's vCPUs are told one by one, with the time that they have run") {
    xen_domctl_t op{};
    CHECK_EQ(domctl(XEN_DOMCTL_getvcpuinfo, op), 0);
    CHECK(op.u.getvcpuinfo.online != 0 && op.u.getvcpuinfo.blocked == 0 && op.u.getvcpuinfo.running != 0);
    std::uint64_t const before = op.u.getvcpuinfo.cpu_time;
    for (std::uint64_t const end = now() + kMillisecond; now() < end;) {
    }
    CHECK_EQ(domctl(XEN_DOMCTL_getvcpuinfo, op), 0);
    CHECK(op.u.getvcpuinfo.cpu_time > before);
    op.u.getvcpuinfo.vcpu = 5000;
    CHECK_EQ(domctl(XEN_DOMCTL_getvcpuinfo, op), kEINVAL);
    CHECK_EQ(domctl(XEN_DOMCTL_get_address_size, op), 0);
    CHECK_EQ(op.u.address_size.size, 64);
}

TEST("a domain is known by a handle, which the tools choose") {
    xen_domctl_t op{};
    for (unsigned i = 0; i < sizeof(xen_domain_handle_t); ++i)
        op.u.setdomainhandle.handle[i] = static_cast<std::uint8_t>(i + 1);
    CHECK_EQ(domctl(XEN_DOMCTL_setdomainhandle, op), 0);
    xen_domain_handle_t handle{};
    CHECK_EQ(xen_version(XENVER_guest_handle, &handle), 0);
    CHECK_EQ(handle[0], 1);
    CHECK_EQ(handle[15], 16);
    op = {};
    CHECK_EQ(domctl(XEN_DOMCTL_setdomainhandle, op), 0);
}

TEST("what the hypervisor has logged can be read, a piece at a time") {
    static char text[2][64];
    xen_sysctl_t op{};
    op.u.readconsole.incremental = 1;
    for (auto& piece : text) {
        op.u.readconsole.buffer.p = piece;
        op.u.readconsole.count = sizeof piece;
        CHECK_EQ(sysctl(XEN_SYSCTL_readconsole, op), 0);
        CHECK_EQ(op.u.readconsole.count, sizeof piece);
    }
    CHECK(__builtin_memcmp(text[0], text[1], sizeof text[0]) != 0);
}

TEST("processors are told by number: the first is there, one far beyond the last is not") {
    xen_platform_op_t op{};
    CHECK_EQ(platform(XENPF_get_cpuinfo, op), 0);
    CHECK_EQ(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
    CHECK_EQ(op.u.pcpu_info.apic_id, 0);
    op.u.pcpu_info.xen_cpuid = op.u.pcpu_info.max_present + 1;
    CHECK_EQ(platform(XENPF_get_cpuinfo, op), 0);
    CHECK((op.u.pcpu_info.flags & XEN_PCPU_FLAGS_INVALID) != 0);
}

TEST("the wall clock can be set: every domain is told when the machine began") {
    constexpr std::uint64_t kDay = 2'000'000'000; // in 2033
    xen_platform_op_t op{};
    op.u.settime64 = {.secs = kDay, .nsecs = 0, .mbz = 0, .system_time = 5'000'000'000};
    std::uint32_t const version = shared().wc_version;
    CHECK_EQ(platform(XENPF_settime64, op), 0);
    CHECK_EQ(shared().wc_sec, kDay - 5);
    CHECK_EQ(shared().wc_nsec, 0);
    CHECK_EQ(shared().wc_version, version + 2);
    op.u.settime64.mbz = 1;
    CHECK_EQ(platform(XENPF_settime64, op), kEINVAL);
    CHECK_EQ(shared().wc_sec, kDay - 5);
}
