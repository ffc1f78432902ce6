/// Event channels: how ports are made, bound, looked at and closed (docs/abi.md §3.10).
#include "lib/events.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/vcpu.hpp"

using namespace lib;

namespace {

constexpr std::int64_t kPorts = EVTCHN_2L_NR_CHANNELS;

evtchn_status_t status_of(Port port) {
    evtchn_status_t status{};
    status.dom = DOMID_SELF;
    status.port = port;
    CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), 0);
    return status;
}

std::int64_t bind_vcpu(Port port, unsigned vcpu) {
    evtchn_bind_vcpu_t request{.port = port, .vcpu = vcpu};
    return event_channel_op(EVTCHNOP_bind_vcpu, &request);
}

Port port_of(std::int64_t made) {
    CHECK(made > 0 && made < kPorts);
    return static_cast<Port>(made);
}

} // namespace

TEST("a port can be offered to a domain, oneself as well; it is the lowest free one, and never 0") {
    Port const first = port_of(alloc_unbound()), second = port_of(alloc_unbound());
    CHECK(second > first);
    evtchn_status_t const status = status_of(first);
    CHECK_EQ(status.status, EVTCHNSTAT_unbound);
    CHECK_EQ(status.u.unbound.dom, self());
    CHECK_EQ(status.vcpu, 0);
    CHECK_EQ(close(first), 0);
    CHECK_EQ(alloc_unbound(), first);
    CHECK_EQ(close(first), 0);
    CHECK_EQ(close(second), 0);
}

TEST("a port cannot be offered by or to a domain that is not there") {
    CHECK_EQ(alloc_unbound(DOMID_SELF, 1234), kESRCH);
    CHECK_EQ(bind_interdomain(1, 1234), kESRCH);
}

TEST("binding to an offered port joins both ends, and the new one is pending at once") {
    Port const offered = port_of(alloc_unbound());
    set_masked(offered, true);
    Port const bound = port_of(bind_interdomain(offered));
    CHECK(is_pending(bound));
    CHECK(!is_pending(offered));
    clear_pending(bound);
    evtchn_status_t status = status_of(bound);
    CHECK_EQ(status.status, EVTCHNSTAT_interdomain);
    CHECK_EQ(status.u.interdomain.port, offered);
    CHECK_EQ(status.u.interdomain.dom, self());
    status = status_of(offered);
    CHECK_EQ(status.status, EVTCHNSTAT_interdomain);
    CHECK_EQ(status.u.interdomain.port, bound);
    CHECK_EQ(bind_interdomain(offered), kEINVAL); // it has its other end
    close(bound);
    close(offered);
}

TEST("only an offered port can be bound to") {
    Port const virq = port_of(bind_virq(VIRQ_DEBUG));
    CHECK_EQ(bind_interdomain(virq), kEINVAL);
    CHECK_EQ(bind_interdomain(0), kEINVAL);
    CHECK_EQ(bind_interdomain(4000), kEINVAL);
    CHECK_EQ(bind_interdomain(1'000'000), kEINVAL);
    close(virq);
}

TEST("closing one end offers the other one again") {
    Port const offered = port_of(alloc_unbound()), bound = port_of(bind_interdomain(offered));
    CHECK_EQ(close(bound), 0);
    CHECK_EQ(status_of(bound).status, EVTCHNSTAT_closed);
    CHECK_EQ(status_of(offered).status, EVTCHNSTAT_unbound);
    Port const again = port_of(bind_interdomain(offered));
    CHECK_EQ(close(offered), 0);
    CHECK_EQ(status_of(again).status, EVTCHNSTAT_unbound);
    CHECK_EQ(close(again), 0);
}

TEST("closing clears what was pending") {
    Port const ipi = port_of(bind_ipi(0));
    set_masked(ipi, true);
    CHECK_EQ(send(ipi), 0);
    CHECK(is_pending(ipi));
    CHECK_EQ(close(ipi), 0);
    CHECK(!is_pending(ipi));
    set_masked(ipi, false);
}

TEST("what is closed or was never open cannot be closed or sent to") {
    Port const port = port_of(alloc_unbound());
    CHECK_EQ(send(port), 0); // offered, and nobody there: not an error
    CHECK_EQ(close(port), 0);
    for (Port const bad : {port, Port{0}, Port{4095}, Port{1'000'000}}) {
        CHECK_EQ(close(bad), kEINVAL);
        CHECK_EQ(send(bad), kEINVAL);
    }
}

TEST("a virtual interrupt is bound once; a vCPU's own on that vCPU, a global one on vCPU 0") {
    Port const timer = port_of(bind_virq(VIRQ_TIMER));
    CHECK_EQ(bind_virq(VIRQ_TIMER), kEEXIST);
    evtchn_status_t const status = status_of(timer);
    CHECK_EQ(status.status, EVTCHNSTAT_virq);
    CHECK_EQ(status.u.virq, VIRQ_TIMER);
    CHECK_EQ(send(timer), kEINVAL);
    CHECK_EQ(close(timer), 0);
    Port const again = port_of(bind_virq(VIRQ_TIMER));
    CHECK_EQ(close(again), 0);
    CHECK_EQ(bind_virq(NR_VIRQS), kEINVAL);
    CHECK_EQ(bind_virq(VIRQ_TIMER, 100), kENOENT);
    CHECK_EQ(bind_virq(VIRQ_CONSOLE, 1), kEINVAL);
}

TEST("an IPI port is bound to a vCPU, and events for that vCPU are sent to it") {
    Port const ipi = port_of(bind_ipi(0));
    evtchn_status_t const status = status_of(ipi);
    CHECK_EQ(status.status, EVTCHNSTAT_ipi);
    CHECK_EQ(status.vcpu, 0);
    CHECK_EQ(bind_ipi(100), kENOENT);
    CHECK_EQ(close(ipi), 0);
}

TEST("a port can be moved to another vCPU, but for an IPI and a vCPU's own virtual interrupt") {
    Port const offered = port_of(alloc_unbound()), ipi = port_of(bind_ipi(0)), timer = port_of(bind_virq(VIRQ_TIMER));
    unsigned const last = vcpus() - 1;
    CHECK_EQ(bind_vcpu(offered, last), 0);
    CHECK_EQ(status_of(offered).vcpu, last);
    CHECK_EQ(bind_vcpu(offered, 0), 0);
    CHECK_EQ(bind_vcpu(offered, 100), kENOENT);
    CHECK_EQ(bind_vcpu(ipi, 0), kEINVAL);
    CHECK_EQ(bind_vcpu(timer, 0), kEINVAL);
    CHECK_EQ(bind_vcpu(4000, 0), kEINVAL);
    for (Port const port : {offered, ipi, timer})
        CHECK_EQ(close(port), 0);
}

TEST("the status of another domain's ports, and of none, is refused") {
    evtchn_status_t status{};
    status.dom = 1234;
    CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), kESRCH);
    status.dom = DOMID_SELF;
    status.port = 1'000'000;
    CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), kEINVAL);
    CHECK_EQ(event_channel_op(EVTCHNOP_status, reinterpret_cast<void*>(0x1000)), kEFAULT);
    CHECK_EQ(event_channel_op(99, &status), kENOSYS);
}

TEST("there are 4095 ports, 1023 for a domU of xl's; when they are taken, no space is left") {
    static bool made[kPorts];
    unsigned count = 0;
    std::int64_t answer;
    while ((answer = alloc_unbound()) > 0 && answer < kPorts) {
        made[answer] = true;
        ++count;
    }
    CHECK_EQ(answer, kENOSPC);
    CHECK_EQ(bind_ipi(0), kENOSPC);
    std::int64_t const most = is_dom0() ? kPorts : 1024;
    CHECK(count > most - 95 && count < most);
    for (Port port = 1; port < kPorts; ++port)
        if (made[port] && close(port) != 0)
            return fail(__FILE_NAME__, __LINE__, "close(port) == 0");
}

TEST("a reset closes every port") {
    Port const offered = port_of(alloc_unbound()), bound = port_of(bind_interdomain(offered)),
               ipi = port_of(bind_ipi(0));
    evtchn_reset_t request{.dom = DOMID_SELF};
    CHECK_EQ(event_channel_op(EVTCHNOP_reset, &request), 0);
    for (Port const port : {offered, bound, ipi})
        CHECK_EQ(status_of(port).status, EVTCHNSTAT_closed);
    unsigned pending = 0;
    for (Port port = 0; port < kPorts; ++port)
        pending += is_pending(port) ? 1 : 0;
    CHECK_EQ(pending, 0);
}

TEST("what is asked of FIFO events is checked") {
    evtchn_init_control_t block{};
    block.control_gfn = root_table().frame().raw(); // no page of a kind that it could be
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &block), kEINVAL);
    block.offset = 4;
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &block), kEINVAL);
    block.vcpu = 1000;
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &block), kENOENT);
    evtchn_expand_array_t array{};
    CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &array), kEOPNOTSUPP);
    evtchn_set_priority_t priority{.port = kPorts, .priority = 0};
    CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &priority), kEINVAL);
}
