#include "events/event_table.hpp"

#include "fixture.hpp"

namespace events_test {

TEST_F(Events, StatusSaysWhatAPortIs) {
    auto const virq = dom1.table.bind_virq(VIRQ_DEBUG, VcpuId{2}).value();
    auto const status = dom1.status(virq);
    EXPECT_EQ(status.dom, 1);
    EXPECT_EQ(status.port, virq.raw());
    EXPECT_EQ(status.status, unsigned{EVTCHNSTAT_virq});
    EXPECT_EQ(status.u.virq, unsigned{VIRQ_DEBUG});
    EXPECT_EQ(status.vcpu, 2u);
    EXPECT_EQ(dom1.status(Port{0}).status, unsigned{EVTCHNSTAT_closed});
    EXPECT_EQ(dom1.status(Port{50}).status, unsigned{EVTCHNSTAT_closed});
    expect_error(dom1.table.status(Port{0xffffffff}), Error::invalid);
}

TEST_F(Events, TheVcpuToNotifyCanBeChangedUnlessThePortBelongsToOne) {
    auto const [here, there] = connect(dom0, dom1);
    EXPECT_TRUE(dom1.table.bind_vcpu(there, VcpuId{7}).ok());
    EXPECT_EQ(dom1.status(there).vcpu, 7u);
    EXPECT_TRUE(dom1.table.bind_vcpu(dom1.table.alloc_unbound(DomId{0}).value(), VcpuId{1}).ok());
    EXPECT_TRUE(dom1.table.bind_vcpu(dom1.table.bind_pirq(3).value(), VcpuId{1}).ok());
    EXPECT_TRUE(dom1.table.bind_vcpu(dom1.table.bind_virq(VIRQ_DOM_EXC, VcpuId{0}).value(), VcpuId{1}).ok());

    expect_error(dom1.table.bind_vcpu(dom1.table.bind_ipi(VcpuId{0}).value(), VcpuId{1}), Error::invalid);
    expect_error(dom1.table.bind_vcpu(dom1.table.bind_virq(VIRQ_TIMER, VcpuId{0}).value(), VcpuId{1}), Error::invalid);
    expect_error(dom1.table.bind_vcpu(Port{0}, VcpuId{1}), Error::invalid);
    expect_error(dom1.table.bind_vcpu(Port{60}, VcpuId{1}), Error::invalid);
    expect_error(dom1.table.bind_vcpu(Port{64}, VcpuId{1}), Error::invalid);
    expect_error(dom1.table.bind_vcpu(there, VcpuId{kVcpus}), Error::not_found);
}

TEST_F(Events, ABindingThatWasMadeAnewNotifiesVcpuZeroAgain) {
    auto const port = dom1.table.alloc_unbound(DomId{0}).value();
    ASSERT_TRUE(dom1.table.bind_vcpu(port, VcpuId{4}).ok());
    ASSERT_TRUE(dom1.table.close(port).ok());
    ASSERT_EQ(dom1.table.alloc_unbound(DomId{0}).value(), port);
    EXPECT_EQ(dom1.status(port).vcpu, 0u);
}

TEST_F(Events, FifoControlChecksItsArgumentsBeforeItSaysThatItIsNotThere) {
    evtchn_init_control_t request{};
    expect_error(dom1.table.init_control(request), Error::not_implemented);
    request.vcpu = kVcpus;
    expect_error(dom1.table.init_control(request), Error::not_found);
    request.vcpu = 0;
    request.offset = 4;
    expect_error(dom1.table.init_control(request), Error::invalid);
    request.offset = 4096 - sizeof(evtchn_fifo_control_block_t) + 8;
    expect_error(dom1.table.init_control(request), Error::invalid);
    request.offset = 4096 - sizeof(evtchn_fifo_control_block_t);
    expect_error(dom1.table.init_control(request), Error::not_implemented);
    expect_error(dom1.table.set_priority({.port = 1, .priority = 0}), Error::not_implemented);
    expect_error(dom1.table.set_priority({.port = 64, .priority = 0}), Error::invalid);
}

} // namespace events_test
