#include "events/event_table.hpp"

#include "fixture.hpp"

namespace events_test {

TEST_F(Events, PortsAreGivenFromOneOnLowestFirst) {
    EXPECT_EQ(dom1.table.alloc_unbound(DomId{0}).value(), Port{1});
    EXPECT_EQ(dom1.table.bind_ipi(VcpuId{0}).value(), Port{2});
    EXPECT_EQ(dom1.table.bind_virq(VIRQ_TIMER, VcpuId{0}).value(), Port{3});
    EXPECT_TRUE(dom1.table.close(Port{2}).ok());
    EXPECT_TRUE(dom1.table.close(Port{1}).ok());
    EXPECT_EQ(dom1.table.alloc_unbound(DomId{0}).value(), Port{1});
    EXPECT_EQ(dom1.table.alloc_unbound(DomId{0}).value(), Port{2});
    EXPECT_EQ(dom1.table.alloc_unbound(DomId{0}).value(), Port{4});
}

TEST_F(Events, AllPortsButZeroCanBeUsedAndThenThereIsNoSpace) {
    for (std::uint32_t i = 1; i < events::kPorts; ++i)
        ASSERT_EQ(dom1.table.alloc_unbound(DomId{0}).value(), Port{i});
    expect_error(dom1.table.alloc_unbound(DomId{0}), Error::no_space);
    expect_error(dom1.table.bind_ipi(VcpuId{0}), Error::no_space);
    expect_error(dom1.table.bind_virq(VIRQ_DEBUG, VcpuId{0}), Error::no_space);
    expect_error(dom1.table.bind_pirq(4), Error::no_space);

    ASSERT_TRUE(dom1.table.close(Port{77}).ok());
    EXPECT_EQ(dom1.table.bind_virq(VIRQ_DEBUG, VcpuId{0}).value(), Port{77}); // the refusal left nothing bound
}

TEST_F(Events, ATableMayHaveFewerPorts) {
    Domain small{9, links, 3};
    EXPECT_TRUE(small.table.alloc_unbound(DomId{0}).ok());
    EXPECT_TRUE(small.table.alloc_unbound(DomId{0}).ok());
    expect_error(small.table.alloc_unbound(DomId{0}), Error::no_space);
    EXPECT_EQ(small.table.limit(), Port{3});
    expect_error(small.table.send(Port{3}), Error::invalid);
}

TEST_F(Events, APortThatTheTableHasNotGrownToDoesNotExist) {
    EXPECT_EQ(dom1.table.limit(), Port{64});
    expect_error(dom1.table.status(Port{64}), Error::invalid);
    for (std::uint32_t i = 1; i <= 64; ++i)
        ASSERT_TRUE(dom1.table.alloc_unbound(DomId{0}).ok());
    EXPECT_EQ(dom1.table.limit(), Port{128});
    EXPECT_EQ(dom1.status(Port{127}).status, unsigned{EVTCHNSTAT_closed});
    expect_error(dom1.table.status(Port{128}), Error::invalid);
}

TEST_F(Events, AnInterdomainChannelHasTwoEndsThatKnowEachOther) {
    auto const waiting = dom1.table.alloc_unbound(DomId{0}).value();
    EXPECT_EQ(dom1.status(waiting).status, unsigned{EVTCHNSTAT_unbound});
    EXPECT_EQ(dom1.status(waiting).u.unbound.dom, 0);

    auto const port = dom0.table.bind_interdomain(dom1.table, waiting).value().port;
    auto const here = dom0.status(port);
    auto const there = dom1.status(waiting);
    EXPECT_EQ(here.status, unsigned{EVTCHNSTAT_interdomain});
    EXPECT_EQ(here.u.interdomain.dom, 1);
    EXPECT_EQ(here.u.interdomain.port, waiting.raw());
    EXPECT_EQ(there.status, unsigned{EVTCHNSTAT_interdomain});
    EXPECT_EQ(there.u.interdomain.dom, 0);
    EXPECT_EQ(there.u.interdomain.port, port.raw());
}

TEST_F(Events, ANewInterdomainPortIsPendingFromTheStart) {
    auto const waiting = dom1.table.alloc_unbound(DomId{0}).value();
    auto const bound = dom0.table.bind_interdomain(dom1.table, waiting).value();
    EXPECT_TRUE(dom0.pending(bound.port));
    EXPECT_FALSE(dom1.pending(waiting));
    EXPECT_EQ(bound.notice.owner, &dom0);
    EXPECT_TRUE(bound.notice.pending);
    EXPECT_TRUE(bound.notice.upcall);
}

TEST_F(Events, OnlyTheDomainThatIsWaitedForMayBind) {
    auto const waiting = dom1.table.alloc_unbound(DomId{0}).value();
    expect_error(dom2.table.bind_interdomain(dom1.table, waiting), Error::invalid);
    EXPECT_EQ(dom2.status(Port{1}).status, unsigned{EVTCHNSTAT_closed});
    EXPECT_TRUE(dom0.table.bind_interdomain(dom1.table, waiting).ok());
}

TEST_F(Events, ARemotePortMustExistAndWait) {
    expect_error(dom0.table.bind_interdomain(dom1.table, Port{0}), Error::invalid);
    expect_error(dom0.table.bind_interdomain(dom1.table, Port{5}), Error::invalid);
    expect_error(dom0.table.bind_interdomain(dom1.table, Port{64}), Error::invalid);
    expect_error(dom0.table.bind_interdomain(dom1.table, Port{0xffffffff}), Error::invalid);
    auto const ipi = dom1.table.bind_ipi(VcpuId{0}).value();
    expect_error(dom0.table.bind_interdomain(dom1.table, ipi), Error::invalid);
    auto const [here, there] = connect(dom0, dom1);
    expect_error(dom0.table.bind_interdomain(dom1.table, there), Error::invalid);
}

TEST_F(Events, NoLocalPortIsReportedBeforeABadRemoteOne) {
    Domain full{9, links, 2};
    ASSERT_TRUE(full.table.bind_ipi(VcpuId{0}).ok());
    expect_error(full.table.bind_interdomain(dom1.table, Port{0xffff}), Error::no_space);
}

TEST_F(Events, ADomainCanBindToItself) {
    auto const waiting = dom1.table.alloc_unbound(DomId{1}).value();
    auto const port = dom1.table.bind_interdomain(dom1.table, waiting).value().port;
    EXPECT_NE(port, waiting);
    EXPECT_EQ(dom1.status(port).u.interdomain.port, waiting.raw());
    EXPECT_EQ(dom1.status(waiting).u.interdomain.port, port.raw());

    EXPECT_TRUE(dom1.table.send(port).ok());
    EXPECT_TRUE(dom1.pending(waiting));
    EXPECT_TRUE(dom1.table.close(port).ok());
    EXPECT_EQ(dom1.status(waiting).status, unsigned{EVTCHNSTAT_unbound});
    EXPECT_EQ(dom1.status(waiting).u.unbound.dom, 1);
}

TEST_F(Events, ClosingOneEndMakesTheOtherWaitForTheSameDomainAgain) {
    auto const [here, there] = connect(dom0, dom1);
    EXPECT_TRUE(dom0.table.close(here).ok());
    EXPECT_EQ(dom0.status(here).status, unsigned{EVTCHNSTAT_closed});
    EXPECT_EQ(dom1.status(there).status, unsigned{EVTCHNSTAT_unbound});
    EXPECT_EQ(dom1.status(there).u.unbound.dom, 0);
    expect_error(dom2.table.bind_interdomain(dom1.table, there), Error::invalid);
    EXPECT_TRUE(dom0.table.bind_interdomain(dom1.table, there).ok());
}

TEST_F(Events, APortWhoseOtherEndIsGoneForGoodCanBeClosed) {
    Port there{};
    {
        auto const gone = std::make_unique<Domain>(std::uint16_t{7}, links);
        auto const [here, port] = connect(*gone, dom1);
        there = port;
        ASSERT_TRUE(gone->table.close(here).ok());
    }
    EXPECT_EQ(dom1.status(there).u.unbound.dom, 7);
    EXPECT_TRUE(dom1.table.close(there).ok());
}

TEST_F(Events, ClosingClearsWhatWasPending) {
    auto const [here, there] = connect(dom0, dom1);
    ASSERT_TRUE(dom0.table.send(here).ok());
    ASSERT_TRUE(dom1.pending(there));
    EXPECT_TRUE(dom1.table.close(there).ok());
    EXPECT_FALSE(dom1.pending(there));
}

TEST_F(Events, WhatIsNotOpenCannotBeClosed) {
    expect_error(dom1.table.close(Port{0}), Error::invalid);
    expect_error(dom1.table.close(Port{1}), Error::invalid);
    expect_error(dom1.table.close(Port{64}), Error::invalid);
    expect_error(dom1.table.close(Port{0xffffffff}), Error::invalid);
    auto const port = dom1.table.bind_ipi(VcpuId{0}).value();
    EXPECT_TRUE(dom1.table.close(port).ok());
    expect_error(dom1.table.close(port), Error::invalid);
}

TEST_F(Events, AVirqIsBoundOnceAndAgainAfterItsPortWasClosed) {
    auto const port = dom1.table.bind_virq(VIRQ_TIMER, VcpuId{3}).value();
    expect_error(dom1.table.bind_virq(VIRQ_TIMER, VcpuId{3}), Error::exists);
    EXPECT_TRUE(dom1.table.bind_virq(VIRQ_TIMER, VcpuId{4}).ok()); // each vCPU has its own
    EXPECT_TRUE(dom1.table.close(port).ok());
    EXPECT_TRUE(dom1.table.bind_virq(VIRQ_TIMER, VcpuId{3}).ok());

    EXPECT_TRUE(dom1.table.bind_virq(VIRQ_CONSOLE, VcpuId{0}).ok());
    expect_error(dom1.table.bind_virq(VIRQ_CONSOLE, VcpuId{0}), Error::exists);
}

TEST_F(Events, AGlobalVirqIsFreedByClosingAlsoAfterItWasMovedToAnotherVcpu) {
    auto const port = dom1.table.bind_virq(VIRQ_DOM_EXC, VcpuId{0}).value();
    ASSERT_TRUE(dom1.table.bind_vcpu(port, VcpuId{2}).ok());
    ASSERT_TRUE(dom1.table.close(port).ok());
    EXPECT_TRUE(dom1.table.bind_virq(VIRQ_DOM_EXC, VcpuId{0}).ok());
}

TEST_F(Events, VirqsAndVcpusThatAreNoneAreRefused) {
    expect_error(dom1.table.bind_virq(NR_VIRQS, VcpuId{0}), Error::invalid);
    expect_error(dom1.table.bind_virq(0xffffffff, VcpuId{0}), Error::invalid);
    expect_error(dom1.table.bind_virq(VIRQ_CONSOLE, VcpuId{1}), Error::invalid); // global: vCPU 0 only
    expect_error(dom1.table.bind_virq(VIRQ_ARCH_0, VcpuId{1}), Error::invalid);
    expect_error(dom1.table.bind_virq(VIRQ_TIMER, VcpuId{kVcpus}), Error::not_found);
    expect_error(dom1.table.bind_ipi(VcpuId{kVcpus}), Error::not_found);
}

TEST_F(Events, APirqIsBoundOnceAndNamedWhenItsPortIsClosed) {
    auto const port = dom0.table.bind_pirq(9).value();
    EXPECT_EQ(dom0.status(port).status, unsigned{EVTCHNSTAT_pirq});
    EXPECT_EQ(dom0.status(port).u.pirq, 9u);
    expect_error(dom0.table.bind_pirq(9), Error::exists);
    EXPECT_TRUE(dom0.table.bind_pirq(10).ok());
    EXPECT_EQ(dom0.table.close(port).value().pirq, 9u);
    EXPECT_TRUE(dom0.table.bind_pirq(9).ok());
}

TEST_F(Events, OnlyAPirqIsNamedAtClosing) {
    auto const ipi = dom0.table.bind_ipi(VcpuId{0}).value();
    EXPECT_FALSE(dom0.table.close(ipi).value().pirq.has_value());
}

TEST_F(Events, ADyingDomainGetsNoNewPortsAndCanCloseAllItHas) {
    auto const [here, there] = connect(dom1, dom0);
    auto const virq = dom1.table.bind_virq(VIRQ_TIMER, VcpuId{0}).value();
    dom1.table.retire();
    expect_error(dom1.table.alloc_unbound(DomId{0}), Error::invalid);
    expect_error(dom1.table.bind_ipi(VcpuId{0}), Error::invalid);
    for (std::uint32_t i = 1; i < dom1.table.limit().raw(); ++i)
        static_cast<void>(dom1.table.close(Port{i}));
    EXPECT_EQ(dom1.status(here).status, unsigned{EVTCHNSTAT_closed});
    EXPECT_EQ(dom1.status(virq).status, unsigned{EVTCHNSTAT_closed});
    EXPECT_EQ(dom0.status(there).status, unsigned{EVTCHNSTAT_unbound});
    EXPECT_TRUE(dom0.table.send(there).ok()); // to nobody
}

} // namespace events_test
