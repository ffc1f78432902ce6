/// EVTCHNOP_reset, and what else of event_channel_op the rooms below do not decide (docs/abi.md §3.10).
#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;

class EventChannelOp : public Kernel {
  protected:
    template <typename Request> std::int64_t event(unsigned command, Request const& request) {
        return call(__HYPERVISOR_event_channel_op, command, put(request));
    }
    evtchn_port_t unbound() {
        EXPECT_EQ(event(EVTCHNOP_alloc_unbound,
                        evtchn_alloc_unbound_t{.dom = DOMID_SELF, .remote_dom = DOMID_SELF, .port = 0}),
                  0);
        return get<evtchn_alloc_unbound_t>().port;
    }
    std::uint32_t status(evtchn_port_t port) {
        EXPECT_EQ(
            event(EVTCHNOP_status, evtchn_status_t{.dom = DOMID_SELF, .port = port, .status = 0, .vcpu = 0, .u = {}}),
            0);
        return get<evtchn_status_t>().status;
    }
};

TEST_F(EventChannelOp, ResetClosesEveryPortOfTheDomain) {
    auto const one = unbound();
    ASSERT_EQ(event(EVTCHNOP_bind_ipi, evtchn_bind_ipi_t{.vcpu = 1, .port = 0}), 0);
    auto const ipi = get<evtchn_bind_ipi_t>().port;
    ASSERT_EQ(event(EVTCHNOP_bind_virq, evtchn_bind_virq_t{.virq = VIRQ_TIMER, .vcpu = 0, .port = 0}), 0);
    auto const virq = get<evtchn_bind_virq_t>().port;
    auto const far = unbound();
    ASSERT_EQ(event(EVTCHNOP_bind_interdomain,
                    evtchn_bind_interdomain_t{.remote_dom = DOMID_SELF, .remote_port = far, .local_port = 0}),
              0);
    auto const near = get<evtchn_bind_interdomain_t>().local_port;

    EXPECT_EQ(event(EVTCHNOP_reset, evtchn_reset_t{.dom = DOMID_SELF}), 0);
    for (auto const port : {one, ipi, virq, far, near})
        EXPECT_EQ(status(port), unsigned{EVTCHNSTAT_closed});
    EXPECT_EQ(event(EVTCHNOP_bind_virq, evtchn_bind_virq_t{.virq = VIRQ_TIMER, .vcpu = 0, .port = 0}), 0)
        << "a VIRQ may be bound anew";
    EXPECT_EQ(event(EVTCHNOP_send, evtchn_send_t{.port = ipi}), kEinval);
}

TEST_F(EventChannelOp, ResetIsForTheDomainItselfOrOneThatItManages) {
    auto const port = unbound();
    EXPECT_EQ(event(EVTCHNOP_reset, evtchn_reset_t{.dom = 7}), kEsrch);
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, kNowhere), kEfault);
    EXPECT_EQ(status(port), unsigned{EVTCHNSTAT_unbound});
}

TEST_F(EventChannelOp, FifoControlIsRefusedOnceNothingIsWrongWithIt) {
    evtchn_init_control_t block{};
    block.control_gfn = frame_at(kPage);
    EXPECT_EQ(event(EVTCHNOP_init_control, block), kEnosys);
    block.control_gfn = hypervisor.vcpu().kernel_root.gfn.raw();
    EXPECT_EQ(event(EVTCHNOP_init_control, block), kEinval) << "a page table";
    block.control_gfn = ~std::uint64_t{0};
    EXPECT_EQ(event(EVTCHNOP_init_control, block), kEinval);
    block.offset = 4;
    EXPECT_EQ(event(EVTCHNOP_init_control, block), kEinval);
    block.vcpu = 2;
    EXPECT_EQ(event(EVTCHNOP_init_control, block), kEnoent) << "which is looked at first";
    EXPECT_EQ(event(EVTCHNOP_expand_array, evtchn_expand_array_t{.array_gfn = frame_at(kPage)}), kEopnotsupp);
    EXPECT_EQ(event(EVTCHNOP_set_priority, evtchn_set_priority_t{.port = unbound(), .priority = 0}), kEnosys);
    EXPECT_EQ(event(EVTCHNOP_set_priority, evtchn_set_priority_t{.port = 5000, .priority = 0}), kEinval);
    for (unsigned const command : {EVTCHNOP_init_control, EVTCHNOP_expand_array, EVTCHNOP_set_priority})
        EXPECT_EQ(call(__HYPERVISOR_event_channel_op, command, kNowhere), kEfault);
    EXPECT_EQ(remap(kPage, frame_at(kPage) << 12 | kReadOnly), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_at(kPage)), 0) << "what was refused is not held";
}

TEST_F(EventChannelOp, ACommandThatIsNotThereIsSaidToBe) {
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, 99, kScratch), kEnosys);
}

} // namespace
