/// tern_op: who waits for a domain to suspend itself is told by a port of its own (abi/tern.h).
#include "abi/tern.h"
#include "abi/toolstack.hpp"
#include "unit/hypercall/kernel.hpp"
#include "unit/hypercall/second_domain.hpp"

namespace {

using namespace test;

class SuspendPort : public Kernel {
  protected:
    void SetUp() override {
        port = that_waits_for(1);
        ASSERT_EQ(event(EVTCHNOP_bind_virq, evtchn_bind_virq_t{.virq = VIRQ_DOM_EXC, .vcpu = 0, .port = 0}), 0);
        virq = get<evtchn_bind_virq_t>().port;
    }
    evtchn_port_t that_waits_for(domid_t remote) {
        evtchn_alloc_unbound_t const wanted{.dom = DOMID_SELF, .remote_dom = remote, .port = 0};
        EXPECT_EQ(event(EVTCHNOP_alloc_unbound, wanted), 0);
        return get<evtchn_alloc_unbound_t>().port;
    }
    template <typename Request> std::int64_t event(unsigned command, Request const& request) {
        return call(__HYPERVISOR_event_channel_op, command, put(request));
    }
    std::int64_t set(std::uint32_t wanted, std::uint16_t domain = 1) {
        return call(__HYPERVISOR_tern_op, TERN_set_suspend_port,
                    put(tern_suspend_port{.domain = domain, .unused = 0, .port = wanted}));
    }
    /// Whether the port was raised; it is not, afterwards.
    bool raised(evtchn_port_t which) {
        auto& word = hypervisor.dom0->shared.evtchn_pending[which / 64];
        auto const bit = xen_ulong_t{1} << which % 64;
        return (std::exchange(word, word & ~bit) & bit) != 0;
    }
    void shuts_down(unsigned reason) {
        sched_shutdown_t const why{.reason = reason};
        EXPECT_THROW(other.call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, other.put(why)), Idle);
        EXPECT_TRUE(other.domain->shut_down.load());
    }
    void goes_on() {
        domain::resume(*other.domain);
        other.enter();
    }

    SecondDomain other{hypervisor};
    evtchn_port_t port = 0, virq = 0;
};

TEST_F(SuspendPort, IsRaisedInPlaceOfTheVirqOnce) {
    ASSERT_EQ(set(port), 0);
    shuts_down(SHUTDOWN_suspend);
    EXPECT_TRUE(raised(port));
    EXPECT_FALSE(raised(virq));

    goes_on();
    shuts_down(SHUTDOWN_suspend);
    EXPECT_FALSE(raised(port));
    EXPECT_TRUE(raised(virq));
}

TEST_F(SuspendPort, IsForADomainThatSuspendsItself) {
    ASSERT_EQ(set(port), 0);
    shuts_down(SHUTDOWN_poweroff);
    EXPECT_FALSE(raised(port));
    EXPECT_TRUE(raised(virq));
}

TEST_F(SuspendPort, ThatIsNoMoreLeavesItToTheVirq) {
    ASSERT_EQ(set(port), 0);
    ASSERT_EQ(event(EVTCHNOP_close, evtchn_close_t{.port = port}), 0);
    shuts_down(SHUTDOWN_suspend);
    EXPECT_TRUE(raised(virq));
}

TEST_F(SuspendPort, ThatHasBecomeAnothersLeavesItToTheVirq) {
    ASSERT_EQ(set(port), 0);
    ASSERT_EQ(event(EVTCHNOP_close, evtchn_close_t{.port = port}), 0);
    ASSERT_EQ(that_waits_for(0), port) << "the lowest free one";
    shuts_down(SHUTDOWN_suspend);
    EXPECT_FALSE(raised(port));
    EXPECT_TRUE(raised(virq));
}

TEST_F(SuspendPort, CanBeTakenBack) {
    ASSERT_EQ(set(port), 0);
    ASSERT_EQ(set(0), 0);
    shuts_down(SHUTDOWN_suspend);
    EXPECT_FALSE(raised(port));
    EXPECT_TRUE(raised(virq));
}

TEST_F(SuspendPort, IsOneOfTheCallersThatWaits) {
    EXPECT_EQ(set(virq), kEinval);
    EXPECT_EQ(set(that_waits_for(0)), kEinval) << "it waits for somebody else";
    EXPECT_EQ(set(port + 17), kEinval) << "nobody has made it";
    EXPECT_EQ(set(0x12345678), kEinval);
    EXPECT_EQ(set(port, 0), kEinval) << "domain 0's own end is nobody's to wait for";
    EXPECT_EQ(set(port, 7), kEsrch);
    shuts_down(SHUTDOWN_suspend);
    EXPECT_FALSE(raised(port));
    EXPECT_TRUE(raised(virq));
}

} // namespace
