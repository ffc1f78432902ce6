/// Giving memory back and asking for more: memory_op (docs/abi.md §3.4).
#include <algorithm>
#include <vector>

#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;

struct Asked {
    unsigned order = 0;
    unsigned address_bits = 0;
    domid_t domid = DOMID_SELF;
    std::uint64_t extents_at = Hypervisor::kScratch + 0x400;
};

class MemoryOp : public Kernel {
  protected:
    /// A reservation of the extents @p first, at kScratch.
    std::uint64_t reservation(std::vector<std::uint64_t> const& first, Asked const& asked) {
        for (std::size_t i = 0; i < first.size(); ++i)
            put(first[i], 0x400 + 8 * i);
        xen_memory_reservation_t made{};
        made.extent_start.p = reinterpret_cast<xen_pfn_t*>(asked.extents_at);
        made.nr_extents = first.size();
        made.extent_order = asked.order;
        made.mem_flags = asked.address_bits;
        made.domid = asked.domid;
        return put(made);
    }
    std::int64_t give_up(std::vector<std::uint64_t> const& first, Asked const& asked = {}) {
        return call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, reservation(first, asked));
    }
    std::int64_t populate(std::vector<std::uint64_t> const& pfns, Asked const& asked = {}) {
        return call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, reservation(pfns, asked));
    }
    std::uint64_t extent(unsigned which) { return get<std::uint64_t>(0x400 + 8 * which); }
    std::uint64_t free_frames() {
        auto const memory = hypervisor.system->allocator.statistics();
        return memory.free + memory.quarantined;
    }
};

TEST_F(MemoryOp, AFrameGivenUpIsTheDomainsNoMoreAndFreeAtOnceIfNothingMapsIt) {
    auto const given = blank(0);
    auto const free_before = free_frames();
    EXPECT_EQ(give_up({given}), 1);
    EXPECT_EQ(pages(), pages_at_first - 1);
    EXPECT_EQ(free_frames(), free_before + 1);
    EXPECT_EQ(arch::machine_to_phys()[given], ~std::uint64_t{0});
    EXPECT_EQ(give_up({given}), 0) << "it has no such frame any more";
}

TEST_F(MemoryOp, AFrameGivenUpWhileItIsMappedLivesOnUntilItsLastMappingGoes) {
    auto const given = frame_at(kPage);
    hypervisor.put(kPage, std::uint64_t{42});
    EXPECT_EQ(give_up({given}), 1);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kPage), 42U);
    EXPECT_EQ(pages(), pages_at_first) << "it still counts";
    EXPECT_LT(remap(kOtherPage, given << 12 | kWritable), 0) << "but cannot be mapped again";
    EXPECT_EQ(remap(kPage, 0), 0);
    EXPECT_EQ(pages(), pages_at_first - 1);
}

TEST_F(MemoryOp, AFrameGivenUpLosesItsPin) {
    auto const table = blank(0);
    ASSERT_EQ(extended(MMUEXT_PIN_L3_TABLE, table), 0);
    EXPECT_EQ(give_up({table}), 1);
    EXPECT_EQ(pages(), pages_at_first - 1) << "or nobody could ever free it: the guest cannot name it any more";
}

TEST_F(MemoryOp, AnExtentOfTablesIsGivenUpEvenIfEachPinTakesItsTime) {
    ASSERT_EQ(give_up({blank(0), blank(1), blank(2), blank(3)}), 4);
    ASSERT_EQ(populate({pages_at_first}, {.order = 2}), 1);
    auto const first = extent(0);
    for (std::uint64_t i = 0; i < 4; ++i)
        ASSERT_EQ(extended(MMUEXT_PIN_L2_TABLE, first + i), 0);
    time_flies();
    EXPECT_EQ(give_up({first}, {.order = 2}), 1);
    EXPECT_EQ(pages(), pages_at_first - 4);
}

TEST_F(MemoryOp, NewFramesAreZeroedWhateverTheyHeldAndKnownByTheirPseudoPhysicalNumbers) {
    hypervisor.put(kPage, std::array<std::uint64_t, 512>{1, 2, 3});
    auto const given = frame_at(kPage);
    ASSERT_EQ(give_up({given}), 1);
    ASSERT_EQ(remap(kPage, 0), 0);
    ASSERT_EQ(populate({77}), 1);
    auto const taken = extent(0);
    EXPECT_EQ(arch::machine_to_phys()[taken], 77U);
    EXPECT_EQ(pages(), pages_at_first);
    ASSERT_EQ(remap(kPage, taken << 12 | kWritable), 0);
    auto const contents = hypervisor.get<std::array<std::uint64_t, 512>>(kPage);
    EXPECT_TRUE(std::all_of(contents.begin(), contents.end(), [](std::uint64_t word) { return word == 0; }));
}

TEST_F(MemoryOp, AnExtentIsContiguousAlignedAndBelowTheAddressThatWasAskedFor) {
    ASSERT_EQ(give_up({blank(0), blank(1), blank(2), blank(3), blank(4), blank(5), blank(6), blank(7)}), 8);
    ASSERT_EQ(populate({1000}, {.order = 3, .address_bits = 24}), 1);
    auto const first = extent(0);
    EXPECT_EQ(first % 8, 0U);
    EXPECT_LE((first + 8) << 12, std::uint64_t{1} << 24);
    for (std::uint64_t i = 0; i < 8; ++i)
        EXPECT_EQ(arch::machine_to_phys()[first + i], 1000 + i);
}

TEST_F(MemoryOp, TheDomainsLimitHolds) {
    EXPECT_EQ(populate({1}), 0);
    ASSERT_EQ(give_up({blank(0), blank(1)}), 2);
    EXPECT_EQ(populate({1, 2, 3}), 2) << "as many as there is room for";
}

TEST_F(MemoryOp, TheFirstExtentThatFailsEndsTheCallWithTheCountOfThoseBeforeIt) {
    EXPECT_EQ(give_up({blank(0), blank(1), hypervisor.dom0->shared_frame.raw(), blank(2)}), 2);
    EXPECT_EQ(give_up({blank(3), hypervisor.machine.frames() + 5}), 1);
    EXPECT_EQ(pages(), pages_at_first - 3);
}

TEST_F(MemoryOp, ARequestThatIsWrongAsAWholeIsNoneDoneAsInXen) {
    EXPECT_EQ(give_up({blank(0)}, {.order = 10}), 0);
    EXPECT_EQ(give_up({blank(0)}, {.order = 64}), 0);
    EXPECT_EQ(give_up({blank(0)}, {.domid = 5}), 0);
    EXPECT_EQ(give_up({blank(0)}, {.extents_at = kNowhere}), 0);
    EXPECT_EQ(populate({1}, {.order = 10}), 0);
    EXPECT_EQ(populate({1}, {.domid = 5}), 0);
    EXPECT_EQ(populate({1}, {.extents_at = kHole}), 0);
    EXPECT_EQ(pages(), pages_at_first);
}

TEST_F(MemoryOp, AContinuedCallGoesOnWhereItStoppedAndCountsAll) {
    time_flies();
    EXPECT_EQ(give_up({blank(0), blank(1), blank(2), blank(3)}), 4);
    EXPECT_EQ(hypervisor.continued, 3U);
    EXPECT_EQ(populate({10, 11, 12, 13}), 4);
    EXPECT_EQ(hypervisor.continued, 3U);
    EXPECT_EQ(pages(), pages_at_first);
}

TEST_F(MemoryOp, TheHighestRamPageIsToldByTheNumberBehindItAsInXen) {
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0),
              static_cast<std::int64_t>(hypervisor.machine.frames()));
}

TEST_F(MemoryOp, ReservationsOfOtherDomainsAreNobodysWhileThereAreNone) {
    auto const id = put(domid_t{9});
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_current_reservation, id), kEsrch);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_current_reservation, kNowhere), kEfault);
}

TEST_F(MemoryOp, FramesMayBeAskedForWithoutSayingWhatTheyWillBe) {
    auto const increase = [&](Asked const& asked, std::uint64_t extents) {
        return call(__HYPERVISOR_memory_op, XENMEM_increase_reservation,
                    reservation(std::vector<std::uint64_t>(extents), asked));
    };
    EXPECT_EQ(increase({}, 1), 0) << "beyond the limit";
    ASSERT_EQ(give_up({blank(0), blank(1), blank(2), blank(3)}), 4);
    ASSERT_EQ(increase({.order = 1}, 1), 1);
    auto const first = extent(0);
    EXPECT_EQ(arch::machine_to_phys()[first], ~std::uint64_t{0}) << "the guest will say";
    EXPECT_EQ(remap(kPage, (first + 1) << 12 | kWritable), 0) << "they are its own";
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kPage), 0U);
    EXPECT_EQ(increase({.extents_at = 0}, 1), 1) << "which one, it does not want to know";
    EXPECT_EQ(increase({.extents_at = kNowhere}, 1), 0);
    EXPECT_EQ(pages(), pages_at_first) << "though it has it";
    time_flies();
    EXPECT_EQ(remap(kPage, 0), 0);
    EXPECT_EQ(give_up({first, first + 1}), 2);
    EXPECT_EQ(increase({}, 2), 2);
    EXPECT_EQ(hypervisor.continued, 1U);
}

TEST_F(MemoryOp, WhatIsWhereIsNotForAParavirtualGuestToChoose) {
    xen_add_to_physmap_t one{};
    one.domid = DOMID_SELF;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, put(one)), kEacces);
    one.domid = 9;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, put(one)), kEsrch);
    one.space = XENMAPSPACE_gmfn_foreign;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, put(one)), kEnosys);
    xen_add_to_physmap_batch_t many{};
    many.domid = DOMID_SELF;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, put(many)), kEacces);
    many.space = XENMAPSPACE_gmfn_range;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, put(many)), kEopnotsupp);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch | 0x10000 << 6, put(many)), -33);
    xen_remove_from_physmap_t away{};
    away.domid = DOMID_SELF;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_remove_from_physmap, put(away)), kEacces);
    for (unsigned const command :
         {XENMEM_add_to_physmap, XENMEM_add_to_physmap_batch, XENMEM_remove_from_physmap, XENMEM_get_vnumainfo})
        EXPECT_EQ(call(__HYPERVISOR_memory_op, command, kNowhere), kEfault);
}

TEST_F(MemoryOp, OfReservedMemoryAndNodesThereIsNothingToTell) {
    xen_reserved_device_memory_map_t map{};
    map.nr_entries = 5;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_reserved_device_memory_map, put(map)), 0);
    EXPECT_EQ(get<xen_reserved_device_memory_map_t>().nr_entries, 0U);
    map.flags = 2;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_reserved_device_memory_map, put(map)), kEinval);
    xen_vnuma_topology_info_t nodes{};
    nodes.domid = DOMID_SELF;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_get_vnumainfo, put(nodes)), kEopnotsupp);
    nodes.domid = 9;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_get_vnumainfo, put(nodes)), kEsrch);
    nodes.pad = 1;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_get_vnumainfo, put(nodes)), kEinval);
}

TEST_F(MemoryOp, OnlyWhatCanBeContinuedMaySayWhereItStopped) {
    for (unsigned const command : {XENMEM_maximum_ram_page, XENMEM_current_reservation, XENMEM_exchange,
                                   XENMEM_claim_pages, XENMEM_remove_from_physmap, XENMEM_get_vnumainfo})
        EXPECT_EQ(call(__HYPERVISOR_memory_op, command | 1 << 6, kScratch), kEinval) << command;
    for (unsigned const command : {XENMEM_machphys_mapping | 1U << 6, 8U, 63U})
        EXPECT_EQ(call(__HYPERVISOR_memory_op, command, kScratch), kEnosys) << command;
}

TEST_F(MemoryOp, TheMachinesMapIsToldWholeOrOnlyItsLength) {
    xen_memory_map_t map{};
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, put(map)), 0);
    EXPECT_EQ(get<xen_memory_map_t>().nr_entries, 1U);
    map.buffer.p = reinterpret_cast<void*>(kScratch + 0x400);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, put(map)), kEinval);
    map.nr_entries = 2;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, put(map)), 0);
    EXPECT_EQ(get<xen_memory_map_t>().nr_entries, 1U);
}

} // namespace
