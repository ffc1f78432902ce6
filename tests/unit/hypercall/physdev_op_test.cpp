/// physdev_op: dom0's interrupts (docs/abi.md §3.11, §5.5).
#include <optional>

#include "unit/hypercall/kernel.hpp"
#include "unit/hypercall/second_domain.hpp"

namespace {

using namespace test;

constexpr std::int64_t kEdom = -33;
constexpr std::uint32_t kEdge = 4, kLevel = 20; ///< lines, by custom

class PhysdevOp : public Kernel {
  protected:
    template <typename Request> std::int64_t physdev(unsigned command, Request const& request) {
        return call(__HYPERVISOR_physdev_op, command, put(request));
    }
    std::int64_t map(int type, int index, int entry = 0, domid_t whose = DOMID_SELF) {
        physdev_map_pirq_t request{};
        request.domid = whose;
        request.type = type;
        request.index = index;
        request.pirq = -1;
        request.entry_nr = entry;
        return physdev(PHYSDEVOP_map_pirq, request);
    }
    std::int64_t unmap(int pirq) {
        return physdev(PHYSDEVOP_unmap_pirq, physdev_unmap_pirq_t{.domid = DOMID_SELF, .pirq = pirq});
    }
    std::int64_t end(std::uint32_t pirq) { return physdev(PHYSDEVOP_eoi, physdev_eoi_t{.irq = pirq}); }
    bool wants_end(std::uint32_t pirq) {
        EXPECT_EQ(physdev(PHYSDEVOP_irq_status_query, physdev_irq_status_query_t{.irq = pirq, .flags = 0}), 0);
        return (get<physdev_irq_status_query_t>().flags & XENIRQSTAT_needs_eoi) != 0;
    }
    evtchn_port_t bind(std::uint32_t pirq) {
        auto const at = put(evtchn_bind_pirq_t{.pirq = pirq, .flags = 0, .port = 0});
        EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, at), 0);
        return get<evtchn_bind_pirq_t>().port;
    }
    std::int64_t show_ends(unsigned command, std::uint64_t gmfn) {
        return physdev(command, physdev_pirq_eoi_gmfn_t{.gmfn = gmfn});
    }
    /// The bit of @p pirq in the page that the guest has for it.
    bool shown(std::uint32_t pirq) {
        return (hypervisor.get<std::uint64_t>(kPage + pirq / 64 * 8) >> pirq % 64 & 1) != 0;
    }
    bool masked(evtchn_port_t port) { return (hypervisor.dom0->shared.evtchn_mask[port / 64] >> port % 64 & 1) != 0; }
    void mask(evtchn_port_t port) { hypervisor.dom0->shared.evtchn_mask[port / 64] |= 1UL << port % 64; }
    arch_fake::Line& line(std::uint32_t gsi) { return hypervisor.machine.lines.at(gsi); }
    void interrupt(std::uint32_t gsi) {
        static_cast<void>(hypervisor.system->interrupts.on_interrupt(line(gsi).to.vector));
    }
};

TEST_F(PhysdevOp, ALineIsMappedToThePirqOfItsOwnNumber) {
    EXPECT_EQ(map(MAP_PIRQ_TYPE_GSI, kLevel), 0);
    EXPECT_EQ(get<physdev_map_pirq_t>().pirq, int{kLevel});
    EXPECT_EQ(map(MAP_PIRQ_TYPE_GSI, 24), kEinval) << "no such line";
    EXPECT_EQ(map(MAP_PIRQ_TYPE_GSI, -1), kEinval);
    EXPECT_EQ(map(MAP_PIRQ_TYPE_GSI, kEdge, 0, 7), kEsrch);
    EXPECT_EQ(map(MAP_PIRQ_TYPE_UNKNOWN, 1), kEinval);
    EXPECT_EQ(unmap(kLevel), 0);
    EXPECT_EQ(unmap(kLevel), kEinval);
    EXPECT_EQ(unmap(-1), kEinval);
}

TEST_F(PhysdevOp, SeveralMessagesAtOnceAreRefusedAsXenDoesWhereInterruptsAreNotRemapped) {
    for (int const count : {0, -1, 33})
        EXPECT_EQ(map(MAP_PIRQ_TYPE_MULTI_MSI, -1, count), kEdom) << count;
    for (int const count : {2, 8, 32})
        EXPECT_EQ(map(MAP_PIRQ_TYPE_MULTI_MSI, -1, count), kEopnotsupp) << count;
    EXPECT_EQ(map(MAP_PIRQ_TYPE_MULTI_MSI, -1, 1), kEnoent) << "as of a single message of a device that is not there";
    EXPECT_EQ(map(MAP_PIRQ_TYPE_MSI, -1), kEnoent);
}

TEST_F(PhysdevOp, ALevelLineWaitsForItsEndAndAnEdgeDoesNot) {
    for (auto const gsi : {kEdge, kLevel}) {
        ASSERT_EQ(map(MAP_PIRQ_TYPE_GSI, static_cast<int>(gsi)), 0);
        bind(gsi);
        EXPECT_EQ(wants_end(gsi), gsi == kLevel);
        interrupt(gsi);
        EXPECT_EQ(line(gsi).masked, gsi == kLevel);
        EXPECT_EQ(end(gsi), 0);
        EXPECT_FALSE(line(gsi).masked);
    }
    EXPECT_EQ(end(7), kEinval) << "not mapped";
}

TEST_F(PhysdevOp, APageOfTheGuestsShowsWhichPirqsWantAnEnd) {
    ASSERT_EQ(map(MAP_PIRQ_TYPE_GSI, kLevel), 0);
    ASSERT_EQ(show_ends(PHYSDEVOP_pirq_eoi_gmfn_v2, frame_at(kPage)), 0);
    EXPECT_TRUE(shown(kLevel)) << "mapped before";
    EXPECT_FALSE(shown(kEdge));
    ASSERT_EQ(map(MAP_PIRQ_TYPE_GSI, kEdge), 0);
    EXPECT_FALSE(shown(kEdge));
    physdev_setup_gsi_t const as_level{.gsi = kEdge, .triggering = 1, .polarity = 1};
    EXPECT_EQ(physdev(PHYSDEVOP_setup_gsi, as_level), 0);
    EXPECT_TRUE(shown(kEdge));
    EXPECT_EQ(unmap(kEdge), 0);
    EXPECT_FALSE(shown(kEdge));
    EXPECT_TRUE(shown(kLevel));
}

TEST_F(PhysdevOp, ThePageIsHeldOnceAndOnlyIfItIsTheGuestsToWrite) {
    EXPECT_EQ(show_ends(PHYSDEVOP_pirq_eoi_gmfn_v2, ~std::uint64_t{0}), kEinval);
    EXPECT_EQ(show_ends(PHYSDEVOP_pirq_eoi_gmfn_v2, 0), kEinval) << "not its own";
    EXPECT_EQ(call(__HYPERVISOR_physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, kNowhere), kEfault);
    EXPECT_EQ(show_ends(PHYSDEVOP_pirq_eoi_gmfn_v2, frame_at(kPage)), 0);
    EXPECT_EQ(show_ends(PHYSDEVOP_pirq_eoi_gmfn_v1, frame_at(kOtherPage)), kEbusy);
    EXPECT_EQ(remap(kPage, frame_at(kPage) << 12 | kReadOnly), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_at(kPage)), kEinval) << "it must not become a table";
    EXPECT_EQ(remap(kOtherPage, frame_at(kOtherPage) << 12 | kReadOnly), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_at(kOtherPage)), 0) << "what was refused is not held";
}

TEST_F(PhysdevOp, ADomainWithoutDevicesHasSuchAPageTooAndNothingIsEverWrittenThere) {
    SecondDomain other{hypervisor};
    auto const show = [&](std::uint64_t gmfn) {
        return other.call(__HYPERVISOR_physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2,
                          other.put(physdev_pirq_eoi_gmfn_t{.gmfn = gmfn}));
    };
    EXPECT_EQ(show(3), kEinval) << "a table";
    EXPECT_EQ(show(SecondDomain::kFrames), kEinval) << "not its own";
    EXPECT_EQ(show(7), 0);
    EXPECT_EQ(show(8), kEbusy);
    ASSERT_EQ(show_ends(PHYSDEVOP_pirq_eoi_gmfn_v2, frame_at(kPage)), 0) << "that is another's affair";
    ASSERT_EQ(map(MAP_PIRQ_TYPE_GSI, kLevel), 0);
    EXPECT_TRUE(shown(kLevel));
    EXPECT_EQ(other.words(7)[0], 0U);
}

TEST_F(PhysdevOp, WhoIsThereIsSaidBeforeWhoMay) {
    SecondDomain other{hypervisor};
    physdev_map_pirq_t request{};
    request.domid = 9;
    EXPECT_EQ(other.call(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, other.put(request)), kEsrch);
    request.domid = 0;
    EXPECT_EQ(other.call(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, other.put(request)), kEperm);
    EXPECT_EQ(other.call(__HYPERVISOR_physdev_op, PHYSDEVOP_alloc_irq_vector, kNowhere), kEfault);
    EXPECT_EQ(other.call(__HYPERVISOR_physdev_op, PHYSDEVOP_alloc_irq_vector, other.put(physdev_irq_t{})), kEperm);
}

TEST_F(PhysdevOp, WithTheFirstVersionOfThePageAnEndUnmasksThePortToo) {
    ASSERT_EQ(map(MAP_PIRQ_TYPE_GSI, kLevel), 0);
    auto const port = bind(kLevel);
    mask(port);
    EXPECT_EQ(end(kLevel), 0);
    EXPECT_TRUE(masked(port));
    ASSERT_EQ(show_ends(PHYSDEVOP_pirq_eoi_gmfn_v1, frame_at(kPage)), 0);
    EXPECT_EQ(end(kLevel), 0);
    EXPECT_FALSE(masked(port));
}

} // namespace
