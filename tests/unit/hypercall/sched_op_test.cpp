/// sched_op: how a domain ends, and where a vCPU runs (docs/abi.md §3.6).
#include "abi/toolstack.hpp"
#include "unit/hypercall/kernel.hpp"
#include "unit/hypercall/second_domain.hpp"

namespace {

using namespace test;

class SchedOp : public Kernel {
  protected:
    template <typename Request> std::int64_t sched(unsigned command, Request const& request) {
        return call(__HYPERVISOR_sched_op, command, put(request));
    }
    std::int64_t end(domid_t domain, unsigned reason) {
        return sched(SCHEDOP_remote_shutdown, sched_remote_shutdown_t{.domain_id = domain, .reason = reason});
    }
    std::int64_t watchdog(std::uint32_t id, std::uint32_t seconds) {
        return sched(SCHEDOP_watchdog, sched_watchdog_t{.id = id, .timeout = seconds});
    }
    std::int64_t pin(std::int32_t cpu) { return sched(SCHEDOP_pin_override, sched_pin_override_t{.pcpu = cpu}); }
    void seconds_pass(std::uint64_t seconds) {
        hypervisor.machine.tsc += seconds * hypervisor.machine.tsc_khz * 1000;
        call(__HYPERVISOR_xen_version, XENVER_version);
    }
    std::uint32_t code_of(domain::Domain const& domain) {
        return domain.shut_down.load() ? domain.shutdown_code.load() : ~0U;
    }
    bool may_run_on(unsigned cpu) {
        return hypervisor.system->scheduler.affinities(hypervisor.vcpu().entity).hard.test(cpu);
    }
};

TEST_F(SchedOp, TheToolstackEndsAnotherDomainAndSaysWhy) {
    SecondDomain other{hypervisor};
    EXPECT_EQ(end(7, SHUTDOWN_crash), kEsrch);
    EXPECT_EQ(end(DOMID_SELF, SHUTDOWN_crash), kEsrch) << "domains are named by their numbers";
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, kNowhere), kEfault);
    auto const attack = other.put(sched_remote_shutdown_t{.domain_id = 0, .reason = SHUTDOWN_crash});
    EXPECT_EQ(other.call(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, attack), kEperm);
    EXPECT_EQ(code_of(*other.domain), ~0U);
    EXPECT_EQ(end(1, 0x100 + SHUTDOWN_watchdog), 0);
    EXPECT_EQ(code_of(*other.domain), unsigned{SHUTDOWN_watchdog}) << "a reason is a byte";
    EXPECT_EQ(end(1, SHUTDOWN_crash), 0);
    EXPECT_EQ(code_of(*other.domain), unsigned{SHUTDOWN_watchdog}) << "it has ended already";
    EXPECT_THROW(end(0, SHUTDOWN_poweroff), arch_fake::PoweredOff) << "its own end, too";
}

TEST_F(SchedOp, WhatADomainSaysOfItsEndBeforeItEndsCounts) {
    SecondDomain other{hypervisor};
    for (unsigned const reason : {SHUTDOWN_crash, SHUTDOWN_reboot})
        EXPECT_EQ(
            other.call(__HYPERVISOR_sched_op, SCHEDOP_shutdown_code, other.put(sched_shutdown_t{.reason = reason})), 0);
    EXPECT_EQ(end(1, SHUTDOWN_poweroff), 0);
    EXPECT_EQ(code_of(*other.domain), unsigned{SHUTDOWN_crash});
}

TEST_F(SchedOp, AWatchdogThatIsNotSetAnewEndsItsDomain) {
    SecondDomain other{hypervisor};
    auto const of_other = [&](std::uint32_t id, std::uint32_t seconds) {
        return other.call(__HYPERVISOR_sched_op, SCHEDOP_watchdog,
                          other.put(sched_watchdog_t{.id = id, .timeout = seconds}));
    };
    auto const id = of_other(0, 10);
    ASSERT_EQ(id, 1);
    hypervisor.machine.tsc += 9 * hypervisor.machine.tsc_khz * 1000;
    EXPECT_EQ(of_other(1, 10), 0);
    hypervisor.machine.tsc += 9 * hypervisor.machine.tsc_khz * 1000;
    EXPECT_EQ(other.call(__HYPERVISOR_xen_version, XENVER_version), 4 << 16 | 17);
    EXPECT_EQ(code_of(*other.domain), ~0U);
    hypervisor.machine.tsc += 2 * hypervisor.machine.tsc_khz * 1000;
    EXPECT_THROW(other.call(__HYPERVISOR_xen_version, XENVER_version), Idle) << "it runs no more";
    EXPECT_EQ(code_of(*other.domain), unsigned{SHUTDOWN_watchdog});
}

TEST_F(SchedOp, ADomainHasTwoWatchdogs) {
    EXPECT_EQ(watchdog(1, 5), kEinval) << "it has none yet";
    EXPECT_EQ(watchdog(0, 5), 1);
    EXPECT_EQ(watchdog(0, 5), 2);
    EXPECT_EQ(watchdog(0, 5), kEnospc);
    EXPECT_EQ(watchdog(3, 5), kEinval);
    EXPECT_EQ(watchdog(~0U, 5), kEinval);
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_watchdog, kNowhere), kEfault);
    EXPECT_EQ(watchdog(1, 0), 0);
    EXPECT_EQ(watchdog(1, 5), kEinval) << "given back";
    EXPECT_EQ(watchdog(2, 0), 0);
    seconds_pass(6);
    EXPECT_EQ(watchdog(0, 5), 1) << "nothing has happened";
    EXPECT_EQ(watchdog(1, 0), 0);
}

TEST_F(SchedOp, AKernelChoosesACpuForAWhileAndTheToolstackWaits) {
    EXPECT_EQ(pin(-1), kEinval) << "it has not chosen";
    EXPECT_EQ(pin(2), kEinval) << "no such CPU";
    EXPECT_EQ(pin(0), 0);
    EXPECT_TRUE(may_run_on(0));
    EXPECT_FALSE(may_run_on(1));
    EXPECT_EQ(pin(0), kEbusy);

    xen_domctl_t op{};
    op.cmd = XEN_DOMCTL_setvcpuaffinity;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op.u.vcpuaffinity.cpumap_hard.nr_bits = 8;
    op.u.vcpuaffinity.cpumap_hard.bitmap.p = reinterpret_cast<uint8_t*>(kScratch + 0x400);
    put(std::uint8_t{3}, 0x400);
    EXPECT_EQ(call(__HYPERVISOR_domctl, put(op)), kEbusy);

    EXPECT_EQ(pin(-1), 0);
    EXPECT_TRUE(may_run_on(1)) << "as it was";
    EXPECT_EQ(call(__HYPERVISOR_domctl, put(op)), 0);

    SecondDomain other{hypervisor};
    EXPECT_EQ(other.call(__HYPERVISOR_sched_op, SCHEDOP_pin_override, kNowhere), kEperm) << "which is asked first";
}

class Poll : public SchedOp {
  protected:
    struct Channel {
        evtchn_port_t here, there;
    };
    /// From domain 0 to the other one. No port of the other one's is told of by an upcall: that would wake it as well.
    Channel channel() {
        other.domain->shared.evtchn_mask[0] = ~xen_ulong_t{0};
        evtchn_alloc_unbound_t const offer{.dom = DOMID_SELF, .remote_dom = 0, .port = 0};
        EXPECT_EQ(other.call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, other.put(offer)), 0);
        auto const there = other.get<evtchn_alloc_unbound_t>().port;
        evtchn_bind_interdomain_t const bind{.remote_dom = 1, .remote_port = there, .local_port = 0};
        EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, put(bind)), 0);
        return {.here = get<evtchn_bind_interdomain_t>().local_port, .there = there};
    }
    void send(Channel const& channel) {
        EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, put(evtchn_send_t{.port = channel.here})), 0);
    }
    void polls(std::initializer_list<evtchn_port_t> ports) {
        sched_poll_t request{};
        request.nr_ports = static_cast<unsigned>(ports.size());
        request.ports.p = reinterpret_cast<evtchn_port_t*>(SecondDomain::kScratch + 0x100);
        std::uint64_t offset = 0x100;
        for (evtchn_port_t const port : ports) {
            other.put(port, offset);
            offset += sizeof port;
        }
        EXPECT_THROW(other.call(__HYPERVISOR_sched_op, SCHEDOP_poll, other.put(request)), Idle);
        EXPECT_TRUE(sleeps());
    }
    bool sleeps() { return other.vcpu().entity.blocked(); }

    SecondDomain other{hypervisor};
    Channel one = channel(), two = channel();
};

TEST_F(Poll, OfOnePortIsEndedByThatOneOnly) {
    polls({one.there});
    send(two);
    EXPECT_TRUE(sleeps());
    send(one);
    EXPECT_FALSE(sleeps());
}

TEST_F(Poll, OfSeveralPortsOrNoneIsEndedByAny) {
    Channel const three = channel();
    polls({one.there, two.there});
    send(three);
    EXPECT_FALSE(sleeps());
    other.enter();
    polls({});
    send(one);
    EXPECT_FALSE(sleeps());
}

TEST_F(SchedOp, ACommandThatIsNotThereIsSaidToBe) { EXPECT_EQ(call(__HYPERVISOR_sched_op, 8, kScratch), kEnosys); }

} // namespace
