// domctl, sysctl, platform_op: what the tools ask of domains and of the machine.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "abi/machine_check.hpp"
#include "abi/tern.h"
#include "abi/toolstack.hpp"
#include "kernel.hpp"
#include "second_domain.hpp"

namespace {

class Toolstack : public test::Kernel {
  protected:
    static constexpr std::uint64_t kRoom = kScratch + 0x400; ///< for what an operation points to

    std::int64_t domctl(std::uint32_t command, xen_domctl_t& op, domid_t domain = 0) {
        op.domain = domain;
        return ask(__HYPERVISOR_domctl, XEN_DOMCTL_INTERFACE_VERSION, command, op);
    }
    std::int64_t sysctl(std::uint32_t command, xen_sysctl_t& op) {
        return ask(__HYPERVISOR_sysctl, XEN_SYSCTL_INTERFACE_VERSION, command, op);
    }
    std::int64_t platform(std::uint32_t command, xen_platform_op_t& op) {
        return ask(__HYPERVISOR_platform_op, XENPF_INTERFACE_VERSION, command, op);
    }

    template <typename Handle> static void point(Handle& handle, std::uint64_t address) {
        handle.p = reinterpret_cast<decltype(handle.p)>(address);
    }

    std::int64_t ask_about_vcpu(std::uint32_t vcpu, domid_t domain = 0) {
        xen_domctl_t op{};
        op.u.getvcpuinfo.vcpu = vcpu;
        return domctl(XEN_DOMCTL_getvcpuinfo, op, domain);
    }

    /// Of vCPU 1, which is down and stays where it is. The maps are of @p bits, the hard one at kRoom, the soft one 8 bytes further.
    std::int64_t affinity(std::uint32_t command, std::uint32_t flags, std::uint32_t bits = 16, std::uint32_t vcpu = 1) {
        xen_domctl_t op{};
        auto& request = op.u.vcpuaffinity;
        request.vcpu = vcpu;
        request.flags = flags;
        request.cpumap_hard.nr_bits = request.cpumap_soft.nr_bits = bits;
        point(request.cpumap_hard.bitmap, kRoom);
        point(request.cpumap_soft.bitmap, kRoom + 8);
        return domctl(command, op);
    }
    void set_maps(std::uint32_t hard, std::uint32_t soft) {
        put(hard, 0x400);
        put(soft, 0x408);
    }
    std::uint32_t hard_map() { return get<std::uint32_t>(0x400); }
    std::uint32_t soft_map() { return get<std::uint32_t>(0x408); }

  private:
    template <typename Operation>
    std::int64_t ask(std::uint64_t number, std::uint32_t version, std::uint32_t command, Operation& op) {
        op.cmd = command;
        op.interface_version = version;
        auto const answer = call(number, put(op));
        op = get<Operation>();
        return answer;
    }
};

constexpr std::uint32_t kHard = XEN_VCPUAFFINITY_HARD, kSoft = XEN_VCPUAFFINITY_SOFT;

TEST_F(Toolstack, IsAnsweredInItsOwnVersionOnly) {
    auto const at = put(xen_domctl_t{});
    for (auto const number : {__HYPERVISOR_domctl, __HYPERVISOR_sysctl, __HYPERVISOR_platform_op}) {
        EXPECT_EQ(call(number, at), test::kEacces) << number;
        EXPECT_EQ(call(number, test::kNowhere), test::kEfault) << number;
        EXPECT_EQ(call(number, test::kHole), test::kEfault) << number;
    }
    xen_domctl_t about_domain{};
    xen_sysctl_t about_machine{};
    xen_platform_op_t to_machine{};
    EXPECT_EQ(domctl(9999, about_domain), test::kEnosys);
    EXPECT_EQ(sysctl(9999, about_machine), test::kEnosys);
    EXPECT_EQ(platform(9999, to_machine), test::kEnosys);
}

TEST_F(Toolstack, IsForThePrivilegedOnly) {
    test::SecondDomain other{hypervisor};
    xen_domctl_t op{};
    op.cmd = XEN_DOMCTL_getdomaininfo;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    for (auto const number : {__HYPERVISOR_domctl, __HYPERVISOR_sysctl, __HYPERVISOR_platform_op})
        EXPECT_EQ(other.call(number, other.put(op)), test::kEperm) << number;
}

TEST_F(Toolstack, TellsOfEachVcpuAndRefusesOneThatADomainCannotHave) {
    EXPECT_EQ(ask_about_vcpu(0), 0);
    EXPECT_EQ(ask_about_vcpu(1), 0); // it is there, though down
    EXPECT_EQ(ask_about_vcpu(2), test::kEinval);
    EXPECT_EQ(ask_about_vcpu(0, 7), test::kEsrch);
}

TEST_F(Toolstack, AVcpuMayRunAnywhereUntilItIsTold) {
    set_maps(0, 0);
    EXPECT_EQ(affinity(XEN_DOMCTL_getvcpuaffinity, kHard | kSoft), 0);
    EXPECT_EQ(hard_map(), 0xffffu);
    EXPECT_EQ(soft_map(), 0xffffu);
}

TEST_F(Toolstack, AnAffinityIsToldAsItWasSetAndAnsweredAsItTakesEffect) {
    set_maps(0xf0f2, 0xf0f1);
    EXPECT_EQ(affinity(XEN_DOMCTL_setvcpuaffinity, kHard | kSoft), 0);
    EXPECT_EQ(hard_map(), 0x2u); // of two CPUs
    EXPECT_EQ(soft_map(), 0x0u);
    set_maps(0, 0);
    EXPECT_EQ(affinity(XEN_DOMCTL_getvcpuaffinity, kHard), 0);
    EXPECT_EQ(hard_map(), 0xf0f2u);
    EXPECT_EQ(soft_map(), 0u); // not asked
    EXPECT_EQ(affinity(XEN_DOMCTL_getvcpuaffinity, kSoft), 0);
    EXPECT_EQ(soft_map(), 0xf0f1u);
}

TEST_F(Toolstack, AnAffinityToNoCpuThatIsThereIsRefusedAndChangesNothing) {
    set_maps(0x4, 0);
    EXPECT_EQ(affinity(XEN_DOMCTL_setvcpuaffinity, kHard), test::kEinval);
    EXPECT_EQ(affinity(XEN_DOMCTL_getvcpuaffinity, kHard), 0);
    EXPECT_EQ(hard_map(), 0xffffu);
    EXPECT_EQ(affinity(XEN_DOMCTL_setvcpuaffinity, 0), test::kEinval);
    EXPECT_EQ(affinity(XEN_DOMCTL_getvcpuaffinity, kHard, 16, 2), test::kEinval); // no such vCPU
}

TEST_F(Toolstack, ABitmapIsWrittenAsFarAsItsBitsGo) {
    set_maps(0xffff'0000, 0);
    EXPECT_EQ(affinity(XEN_DOMCTL_getvcpuaffinity, kHard, 3), 0);
    EXPECT_EQ(hard_map(), 0xffff'0007u);
    put(~std::uint64_t{0}, 0x400 + base::kMaxCpus / 8);
    EXPECT_EQ(affinity(XEN_DOMCTL_getvcpuaffinity, kHard, base::kMaxCpus + 8), 0);
    EXPECT_EQ(get<std::uint64_t>(0x400 + base::kMaxCpus / 8), ~std::uint64_t{0xff}); // no CPU can be there
    EXPECT_EQ(affinity(XEN_DOMCTL_getvcpuaffinity, kHard, ~0U), test::kEinval);
}

TEST_F(Toolstack, ADomainIsKnownByTheHandleThatItWasGiven) {
    xen_domctl_t op{};
    op.u.setdomainhandle.handle[15] = 7;
    EXPECT_EQ(domctl(XEN_DOMCTL_setdomainhandle, op), 0);
    EXPECT_EQ(domctl(XEN_DOMCTL_getdomaininfo, op), 0);
    EXPECT_EQ(op.u.getdomaininfo.handle[15], 7);
    EXPECT_EQ(op.u.getdomaininfo.tot_pages, pages());
    EXPECT_EQ(op.u.getdomaininfo.max_vcpu_id, 1u);
    EXPECT_EQ(op.u.getdomaininfo.nr_online_vcpus, 1u);
    EXPECT_EQ(domctl(XEN_DOMCTL_getdomaininfo, op, 1), test::kEsrch);
}

TEST_F(Toolstack, AListOfDomainsHoldsNoMoreThanThereIsRoomFor) {
    xen_sysctl_t op{};
    auto& request = op.u.getdomaininfolist;
    point(request.buffer, kRoom);
    EXPECT_EQ(sysctl(XEN_SYSCTL_getdomaininfolist, op), 0);
    EXPECT_EQ(request.num_domains, 0u);
    request.max_domains = ~0U;
    EXPECT_EQ(sysctl(XEN_SYSCTL_getdomaininfolist, op), 0);
    EXPECT_EQ(request.num_domains, 1u);
    EXPECT_EQ(get<xen_domctl_getdomaininfo_t>(0x400).tot_pages, pages());
    point(request.buffer, test::kHole);
    EXPECT_EQ(sysctl(XEN_SYSCTL_getdomaininfolist, op), test::kEfault);
}

TEST_F(Toolstack, TheMachineIsToldAsItIs) {
    xen_sysctl_t op{};
    EXPECT_EQ(sysctl(XEN_SYSCTL_physinfo, op), 0);
    EXPECT_EQ(op.u.physinfo.nr_cpus, 2u);
    EXPECT_EQ(op.u.physinfo.free_pages,
              hypervisor.system->allocator.statistics().free + hypervisor.system->allocator.statistics().quarantined);
    EXPECT_EQ(sysctl(XEN_SYSCTL_cputopoinfo, op = {}), 0);
    EXPECT_EQ(op.u.cputopoinfo.num_cpus, 2u); // with no room: how many there are
    EXPECT_EQ(sysctl(XEN_SYSCTL_numainfo, op = {}), 0);
    EXPECT_EQ(op.u.numainfo.num_nodes, 1u);
    EXPECT_EQ(sysctl(XEN_SYSCTL_sched_id, op = {}), 0);
    EXPECT_EQ(op.u.sched_id.sched_id, static_cast<std::uint32_t>(XEN_SCHEDULER_CREDIT2));
}

TEST_F(Toolstack, ACpusIdleTimeGoesOnWhileItIdles) {
    auto& idle = hypervisor.system->cpus[1].idle;
    auto const told = [&] {
        xen_sysctl_t op{};
        op.u.getcpuinfo.max_cpus = 7;
        point(op.u.getcpuinfo.info, kRoom);
        EXPECT_EQ(sysctl(XEN_SYSCTL_getcpuinfo, op), 0);
        EXPECT_EQ(op.u.getcpuinfo.nr_cpus, 2U);
        return get<std::array<std::uint64_t, 2>>(0x400)[1];
    };
    EXPECT_EQ(told(), 0U);
    auto const now = hypervisor.system->now();
    idle.begin(now);
    idle.end(now + 500);
    EXPECT_EQ(told(), 500U);
    idle.begin(now + 1000);
    EXPECT_EQ(idle.up_to(now + 1200), 700U);
    EXPECT_EQ(idle.up_to(now), 0U) << "a clock that another CPU reads may be a little behind";
    idle.end(now + 1500);
    EXPECT_EQ(told(), 1000U);
}

TEST_F(Toolstack, WhereADeviceHangsIsNotKnown) {
    xen_sysctl_t op{};
    op.u.pcitopoinfo.num_devs = 2;
    point(op.u.pcitopoinfo.devs, kRoom);
    point(op.u.pcitopoinfo.nodes, kRoom + 0x100);
    EXPECT_EQ(sysctl(XEN_SYSCTL_pcitopoinfo, op), 0);
    EXPECT_EQ(op.u.pcitopoinfo.num_devs, 2U);
    EXPECT_EQ(get<std::uint64_t>(0x500), ~std::uint64_t{0}) << "XEN_INVALID_NODE_ID, twice";
    point(op.u.pcitopoinfo.nodes, test::kNowhere);
    EXPECT_EQ(sysctl(XEN_SYSCTL_pcitopoinfo, op), test::kEfault);
    op.u.pcitopoinfo.num_devs = 0;
    EXPECT_EQ(sysctl(XEN_SYSCTL_pcitopoinfo, op), 0);
}

TEST_F(Toolstack, OneCpuPoolHasEveryCpu) {
    xen_sysctl_t op{};
    auto& request = op.u.cpupool_op;
    request.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
    request.cpumap.nr_bits = 8;
    point(request.cpumap.bitmap, kRoom);
    put(~0U, 0x400);
    EXPECT_EQ(sysctl(XEN_SYSCTL_cpupool_op, op), 0);
    EXPECT_EQ(hard_map(), 0xffff'ff03u);
    EXPECT_EQ(request.n_dom, 1u);
    request.cpupool_id = 1;
    EXPECT_EQ(sysctl(XEN_SYSCTL_cpupool_op, op), test::kEnoent);
    request.op = XEN_SYSCTL_CPUPOOL_OP_FREEINFO;
    EXPECT_EQ(sysctl(XEN_SYSCTL_cpupool_op, op), 0);
    EXPECT_EQ(hard_map(), 0xffff'ff00u);
    request.op = XEN_SYSCTL_CPUPOOL_OP_DESTROY;
    EXPECT_LT(sysctl(XEN_SYSCTL_cpupool_op, op), 0);
}

TEST_F(Toolstack, AWeightIsThatOfAllVcpus) {
    xen_domctl_t op{};
    auto& request = op.u.scheduler_op;
    request.sched_id = XEN_SCHEDULER_CREDIT2;
    request.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    EXPECT_EQ(domctl(XEN_DOMCTL_scheduler_op, op), 0);
    EXPECT_EQ(request.u.credit2.weight, 256);
    EXPECT_EQ(request.u.credit2.cap, 0);
    request.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    request.u.credit2 = {.weight = 512, .cap = 150};
    EXPECT_EQ(domctl(XEN_DOMCTL_scheduler_op, op), 0);
    for (auto const* const vcpu : hypervisor.dom0->vcpus)
        EXPECT_EQ(vcpu->entity.weight(), 512u);
    request.u.credit2 = {.weight = 0, .cap = 40}; // the weight as it is
    EXPECT_EQ(domctl(XEN_DOMCTL_scheduler_op, op), 0);
    request.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    EXPECT_EQ(domctl(XEN_DOMCTL_scheduler_op, op), 0);
    EXPECT_EQ(request.u.credit2.weight, 512);
    EXPECT_EQ(request.u.credit2.cap, 40);
}

TEST_F(Toolstack, AReservationIsOfOneVcpuAndSomethingIsLeftOfEachCpu) {
    constexpr std::uint64_t kMillisecond = 1'000'000;
    auto const ask = [&](std::uint64_t command, tern_reservation& request) {
        auto const answer = call(__HYPERVISOR_tern_op, command, put(request));
        request = get<tern_reservation>();
        return answer;
    };
    tern_reservation request{
        .domain = 0, .unused = 0, .vcpu = 1, .period = 10 * kMillisecond, .slice = 9 * kMillisecond};
    EXPECT_EQ(ask(TERN_set_reservation, request), 0);
    request.period = request.slice = 0;
    EXPECT_EQ(ask(TERN_get_reservation, request), 0);
    EXPECT_EQ(request.slice, 9 * kMillisecond);
    request.vcpu = 0;
    EXPECT_EQ(ask(TERN_set_reservation, request), 0) << "on the other CPU";
    request.slice = 9 * kMillisecond + 1;
    EXPECT_EQ(ask(TERN_set_reservation, request), -28); // -ENOSPC
    request.slice = 11 * kMillisecond;
    EXPECT_EQ(ask(TERN_set_reservation, request), test::kEinval);
    request.vcpu = 2;
    EXPECT_EQ(ask(TERN_get_reservation, request), test::kEnoent);
    request.domain = 5;
    EXPECT_EQ(ask(TERN_get_reservation, request), test::kEsrch);
    EXPECT_EQ(ask(99, request), test::kEnosys);
}

TEST_F(Toolstack, WhatTheSchedulerCannotKeepIsRefused) {
    xen_domctl_t op{};
    auto& request = op.u.scheduler_op;
    request.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    request.sched_id = XEN_SCHEDULER_RTDS;
    EXPECT_EQ(domctl(XEN_DOMCTL_scheduler_op, op), test::kEinval);
    request.sched_id = XEN_SCHEDULER_CREDIT2;
    request.cmd = XEN_DOMCTL_SCHEDOP_getvcpuinfo; // weights are of domains
    EXPECT_EQ(domctl(XEN_DOMCTL_scheduler_op, op), test::kEinval);

    xen_sysctl_t whole{};
    auto& parameters = whole.u.scheduler_op;
    parameters.sched_id = XEN_SCHEDULER_CREDIT2;
    parameters.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    EXPECT_EQ(sysctl(XEN_SYSCTL_scheduler_op, whole), 0);
    EXPECT_GT(parameters.u.sched_credit2.ratelimit_us, 0u);
    parameters.cmd = XEN_SYSCTL_SCHEDOP_putinfo;
    EXPECT_EQ(sysctl(XEN_SYSCTL_scheduler_op, whole), 0); // as it is
    ++parameters.u.sched_credit2.ratelimit_us;
    EXPECT_EQ(sysctl(XEN_SYSCTL_scheduler_op, whole), -95);
    parameters.cpupool_id = 1;
    EXPECT_EQ(sysctl(XEN_SYSCTL_scheduler_op, whole), test::kEsrch);
}

TEST_F(Toolstack, TheWallClockTellsWhenTheMachineBegan) {
    auto const at = [](std::uint64_t seconds) {
        xen_platform_op_t op{};
        op.u.settime64 = {.secs = seconds, .nsecs = 0, .mbz = 0, .system_time = 5'000'000'000};
        return op;
    };
    auto const& shared = *arch::frame_as<shared_info_t>(hypervisor.dom0->shared_frame);
    auto op = at(2'000'000'000);
    EXPECT_EQ(platform(XENPF_settime64, op), 0);
    EXPECT_EQ(shared.wc_sec, 1'999'999'995u);
    op = at(1'000'000'000);
    op.u.settime64.mbz = 1;
    EXPECT_EQ(platform(XENPF_settime64, op), test::kEinval);
    EXPECT_EQ(shared.wc_sec, 1'999'999'995u);
}

TEST_F(Toolstack, AProcessorThatIsNotThereIsInvalid) {
    xen_platform_op_t op{};
    op.u.pcpu_info.xen_cpuid = 1;
    EXPECT_EQ(platform(XENPF_get_cpuinfo, op), 0);
    EXPECT_EQ(op.u.pcpu_info.flags, static_cast<std::uint32_t>(XEN_PCPU_FLAGS_ONLINE));
    EXPECT_EQ(op.u.pcpu_info.max_present, 1u);
    for (auto const cpu : {2U, ~0U}) {
        op.u.pcpu_info.xen_cpuid = cpu;
        EXPECT_EQ(platform(XENPF_get_cpuinfo, op), 0);
        EXPECT_EQ(op.u.pcpu_info.flags, static_cast<std::uint32_t>(XEN_PCPU_FLAGS_INVALID));
    }
}

TEST_F(Toolstack, MachineChecksHaveCpusToHappenOnAndNothingToTell) {
    xen_mc_t op{};
    auto const ask = [&](std::uint32_t command) {
        op.cmd = command;
        op.interface_version = XEN_MCA_INTERFACE_VERSION;
        auto const answer = call(__HYPERVISOR_mca, put(op));
        op = get<xen_mc_t>();
        return answer;
    };
    EXPECT_EQ(ask(XEN_MC_physcpuinfo), 0);
    EXPECT_EQ(op.u.mc_physcpuinfo.ncpus, 2U);
    op.u.mc_physcpuinfo.ncpus = 1;
    point(op.u.mc_physcpuinfo.info, kRoom);
    put(std::uint64_t{0x77}, 0x400 + sizeof(xen_mc_logical_cpu_t));
    EXPECT_EQ(ask(XEN_MC_physcpuinfo), 0);
    EXPECT_EQ(op.u.mc_physcpuinfo.ncpus, 1U);
    EXPECT_EQ(get<xen_mc_logical_cpu_t>(0x400).mc_ncores, 2U);
    EXPECT_EQ(get<std::uint64_t>(0x400 + sizeof(xen_mc_logical_cpu_t)), 0x77U) << "no more than there is room for";
    op.u.mc_fetch = {};
    op.u.mc_fetch.flags = XEN_MC_URGENT;
    EXPECT_EQ(ask(XEN_MC_fetch), 0);
    EXPECT_EQ(op.u.mc_fetch.flags, static_cast<std::uint32_t>(XEN_MC_NODATA));
    op.u.mc_fetch.flags = 0;
    EXPECT_EQ(ask(XEN_MC_fetch), test::kEinval);
    EXPECT_EQ(ask(XEN_MC_mceinject), -95); // -EOPNOTSUPP
    EXPECT_EQ(ask(99), test::kEinval);
    EXPECT_EQ(call(__HYPERVISOR_mca, put(xen_mc_t{})), test::kEacces);
}

TEST_F(Toolstack, OnlySwitchingOffIsASleepThatWeKnow) {
    xen_platform_op_t op{};
    op.u.enter_acpi_sleep.sleep_state = 3;
    EXPECT_EQ(platform(XENPF_enter_acpi_sleep, op), -95); // -EOPNOTSUPP
    op.u.enter_acpi_sleep.sleep_state = 5;
    op.u.enter_acpi_sleep.flags = 1;
    EXPECT_EQ(platform(XENPF_enter_acpi_sleep, op), -95);
}

} // namespace
