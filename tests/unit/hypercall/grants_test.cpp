/// Grants through the hypercall, within domain 0: its own table, its own page tables (docs/abi.md §6).
#include "unit/hypercall/kernel.hpp"
#include "unit/hypercall/second_domain.hpp"

namespace {

using namespace test;

class GrantTableOp : public Kernel {
  protected:
    void SetUp() override {
        gnttab_setup_table_t request{};
        request.dom = DOMID_SELF;
        request.nr_frames = 1;
        request.frame_list.p = reinterpret_cast<xen_pfn_t*>(kScratch + 0x800);
        ASSERT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, put(request), 1), 0);
        ASSERT_EQ(get<gnttab_setup_table_t>().status, GNTST_okay);
        table = get<xen_pfn_t>(0x800);
    }
    void grant(std::uint32_t ref, std::uint64_t frame, unsigned flags = 0) {
        arch::frame_as<grant_entry_v1_t>(base::Mfn{table})[ref] = {
            .flags = static_cast<std::uint16_t>(GTF_permit_access | flags),
            .domid = 0,
            .frame = static_cast<std::uint32_t>(frame)};
    }
    unsigned flags(std::uint32_t ref) { return arch::frame_as<grant_entry_v1_t>(base::Mfn{table})[ref].flags; }

    gnttab_map_grant_ref_t map(std::uint32_t ref, std::uint64_t host, unsigned how = GNTMAP_host_map) {
        gnttab_map_grant_ref_t request{};
        request.host_addr = host;
        request.flags = how;
        request.ref = ref;
        request.dom = DOMID_SELF;
        EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, put(request), 1), 0);
        return get<gnttab_map_grant_ref_t>();
    }
    std::int16_t unmap(std::uint32_t handle, std::uint64_t host) {
        gnttab_unmap_grant_ref_t request{};
        request.host_addr = host;
        request.handle = handle;
        EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, put(request), 1), 0);
        return get<gnttab_unmap_grant_ref_t>().status;
    }
    struct Side {
        std::uint64_t frame_or_ref;
        bool by_ref = false;
        std::uint16_t offset = 0;
    };
    std::int16_t copy(Side const& from, Side const& to, std::uint16_t length) {
        gnttab_copy_t request{};
        request.source.domid = request.dest.domid = DOMID_SELF;
        request.source.u.gmfn = from.frame_or_ref;
        request.dest.u.gmfn = to.frame_or_ref;
        request.source.offset = from.offset;
        request.dest.offset = to.offset;
        request.len = length;
        request.flags =
            static_cast<std::uint16_t>((from.by_ref ? GNTCOPY_source_gref : 0) | (to.by_ref ? GNTCOPY_dest_gref : 0));
        EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, put(request), 1), 0);
        return get<gnttab_copy_t>().status;
    }

    std::uint64_t table = 0;
};

TEST_F(GrantTableOp, AMappedGrantIsThePageItselfUntilItIsUnmapped) {
    grant(3, frame_at(kPage));
    auto const mapped = map(3, kOtherPage);
    ASSERT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(mapped.dev_bus_addr, frame_at(kPage) << 12);
    EXPECT_EQ(flags(3), unsigned{GTF_permit_access | GTF_reading | GTF_writing});
    hypervisor.put(kOtherPage, std::uint64_t{7});
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kPage), 7U);
    EXPECT_EQ(unmap(mapped.handle, kOtherPage), GNTST_okay);
    EXPECT_EQ(flags(3), unsigned{GTF_permit_access});
    EXPECT_FALSE(domain::read_guest<std::uint64_t>(hypervisor.vcpu(), base::Vaddr{kOtherPage}).ok());
    EXPECT_EQ(unmap(mapped.handle, kOtherPage), GNTST_bad_handle);
}

TEST_F(GrantTableOp, AReadOnlyMappingCannotBeWritten) {
    grant(3, frame_at(kPage), GTF_readonly);
    EXPECT_EQ(map(3, kOtherPage).status, GNTST_general_error) << "the granter allows reading only";
    auto const mapped = map(3, kOtherPage, GNTMAP_host_map | GNTMAP_readonly);
    ASSERT_EQ(mapped.status, GNTST_okay);
    EXPECT_FALSE(domain::write_guest(hypervisor.vcpu(), base::Vaddr{kOtherPage}, std::uint64_t{7}).ok());
    EXPECT_EQ(unmap(mapped.handle, kOtherPage), GNTST_okay);
}

TEST_F(GrantTableOp, AGrantIsMappedInAnEntryThatTheGuestNames) {
    auto const root = hypervisor.vcpu().kernel_root.tables;
    auto const walk = hypervisor.dom0->paging.walk(root, base::Vaddr{kOtherPage});
    auto const entry = walk.step[3].table.raw() << 12 | base::table_index(base::Vaddr{kOtherPage}, 1) * 8;
    grant(3, frame_at(kPage));
    auto const mapped = map(3, entry, GNTMAP_host_map | GNTMAP_contains_pte);
    ASSERT_EQ(mapped.status, GNTST_okay);
    hypervisor.put(kOtherPage, std::uint64_t{9});
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kPage), 9U);
    EXPECT_EQ(unmap(mapped.handle, kOtherPage), GNTST_general_error) << "not where it was mapped";
    EXPECT_EQ(unmap(mapped.handle, entry), GNTST_okay);
}

TEST_F(GrantTableOp, WhatCannotBeMappedIsRefusedByStatusAndNothingStays) {
    grant(3, frame_at(kPage));
    EXPECT_EQ(map(3, kNowhere).status, GNTST_general_error) << "no table there";
    EXPECT_EQ(map(3, kHole).status, GNTST_general_error);
    EXPECT_EQ(map(3, kOtherPage, 0).status, GNTST_bad_gntref);
    EXPECT_EQ(map(5000, kOtherPage).status, GNTST_bad_gntref);
    EXPECT_EQ(map(4, kOtherPage).status, GNTST_general_error) << "not granted";
    grant(5, hypervisor.dom0->shared_frame.raw());
    EXPECT_NE(map(5, kOtherPage).status, GNTST_okay) << "the hypervisor's page";
    grant(6, hypervisor.vcpu().kernel_root.tables.table.raw());
    EXPECT_EQ(map(6, kOtherPage).status, GNTST_general_error) << "a page table is never writable";
    EXPECT_EQ(flags(3), unsigned{GTF_permit_access});
}

TEST_F(GrantTableOp, AFrameGivenUpWhileItIsMappedByAGrantStaysUntilItIsUnmapped) {
    auto const given = blank(0);
    grant(3, given);
    auto const mapped = map(3, kOtherPage);
    ASSERT_EQ(mapped.status, GNTST_okay);
    put(given, 0x400);
    xen_memory_reservation_t request{};
    request.extent_start.p = reinterpret_cast<xen_pfn_t*>(kScratch + 0x400);
    request.nr_extents = 1;
    request.domid = DOMID_SELF;
    ASSERT_EQ(call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, put(request)), 1);
    hypervisor.put(kOtherPage, std::uint64_t{1});
    EXPECT_EQ(pages(), pages_at_first) << "it still counts";
    EXPECT_EQ(unmap(mapped.handle, kOtherPage), GNTST_okay);
    EXPECT_EQ(pages(), pages_at_first - 1);
}

TEST_F(GrantTableOp, CopiesBetweenGrantsAndFrames) {
    hypervisor.put(kPage, std::array<std::uint64_t, 4>{1, 2, 3, 4});
    grant(3, frame_at(kPage), GTF_readonly);
    grant(4, frame_at(kOtherPage));
    EXPECT_EQ(copy({3, true, 8}, {frame_at(kOtherPage), false, 16}, 16), GNTST_okay);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kOtherPage + 16), 2U);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kOtherPage + 24), 3U);
    EXPECT_EQ(copy({frame_at(kPage)}, {4, true}, 8), GNTST_okay);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kOtherPage), 1U);
    EXPECT_EQ(copy({frame_at(kPage)}, {3, true}, 8), GNTST_general_error) << "granted for reading";
}

TEST_F(GrantTableOp, ACopyNeverReachesWhatTheGuestCouldNotWriteItself) {
    auto const root = hypervisor.vcpu().kernel_root.tables.table.raw();
    EXPECT_EQ(copy({frame_at(kPage)}, {root}, 8), GNTST_general_error);
    EXPECT_EQ(copy({frame_at(kPage)}, {hypervisor.dom0->shared_frame.raw()}, 8), GNTST_bad_page);
    EXPECT_EQ(copy({hypervisor.machine.frames() + 1}, {frame_at(kPage)}, 8), GNTST_bad_page);
    EXPECT_EQ(copy({frame_at(kPage), false, 4090}, {frame_at(kOtherPage)}, 8), GNTST_bad_copy_arg);
    EXPECT_EQ(copy({frame_at(kPage)}, {frame_at(kOtherPage), false, 4090}, 8), GNTST_bad_copy_arg);
}

TEST_F(GrantTableOp, WhatX86HasNoUseForIsRefusedOnceNothingIsWrongWithIt) {
    auto const flush = [&](std::uint16_t offset, std::uint16_t length, std::uint32_t how) {
        gnttab_cache_flush_t request{};
        request.offset = offset;
        request.length = length;
        request.op = how;
        return call(__HYPERVISOR_grant_table_op, GNTTABOP_cache_flush, put(request), 1);
    };
    EXPECT_EQ(flush(0, 4096, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL), kEopnotsupp);
    EXPECT_EQ(flush(1, 4096, GNTTAB_CACHE_CLEAN), kEinval) << "beyond the page";
    EXPECT_EQ(flush(4096, 0, GNTTAB_CACHE_CLEAN), kEinval);
    EXPECT_EQ(flush(0, 1, GNTTAB_CACHE_SOURCE_GREF), kEinval);
    EXPECT_EQ(flush(0, 0, GNTTAB_CACHE_CLEAN), 0);
    EXPECT_EQ(flush(0, 1, 0), 0);
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_cache_flush, kNowhere, 1), kEfault);
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_transfer, kScratch, 1), kEopnotsupp);
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_dump_table, kScratch, 1), kEnosys);
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, kScratch, ~0U), kEinval);
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_copy | 1 << 12, kScratch, 0), kEinval);
}

TEST_F(GrantTableOp, SeveralRecordsAreCarriedOutOneByOneAndContinuedBetween) {
    std::array<gnttab_copy_t, 4> requests{};
    for (auto& one : requests) {
        one.source.domid = one.dest.domid = DOMID_SELF;
        one.source.u.gmfn = frame_at(kPage);
        one.dest.u.gmfn = frame_at(kOtherPage);
        one.len = 8;
    }
    requests[1].len = 5000;
    time_flies();
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, put(requests), 4), 0);
    EXPECT_EQ(hypervisor.continued, 3U);
    auto const after = get<std::array<gnttab_copy_t, 4>>();
    EXPECT_EQ(after[0].status, GNTST_okay);
    EXPECT_EQ(after[1].status, GNTST_bad_copy_arg);
    EXPECT_EQ(after[3].status, GNTST_okay);
}

TEST_F(GrantTableOp, AnEntryOfTheGuestsComesInPlaceOfAGrant) {
    grant(3, frame_at(kPage));
    auto const mapped = map(3, kOtherPage);
    ASSERT_EQ(mapped.status, GNTST_okay);
    constexpr auto kThird = kOtherPage + 0x1000;
    auto const third = frame_at(kThird);
    gnttab_unmap_and_replace_t request{};
    request.host_addr = kOtherPage;
    request.new_addr = kThird;
    request.handle = mapped.handle;
    ASSERT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_and_replace, put(request), 1), 0);
    EXPECT_EQ(get<gnttab_unmap_and_replace_t>().status, GNTST_okay);
    hypervisor.put(kOtherPage, std::uint64_t{5});
    EXPECT_EQ(*arch::frame_as<std::uint64_t>(base::Mfn{third}), 5U);
    EXPECT_FALSE(domain::read_guest<std::uint64_t>(hypervisor.vcpu(), base::Vaddr{kThird}).ok());
    EXPECT_EQ(flags(3), unsigned{GTF_permit_access});
}

TEST_F(GrantTableOp, VersionTwoHasItsStatusesInFramesThatTheGuestMayMap) {
    auto const set_version = [&](std::uint32_t version) {
        return call(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, put(gnttab_set_version_t{version}), 1);
    };
    auto const status_frames = [&](std::uint32_t count) {
        gnttab_get_status_frames_t request{};
        request.nr_frames = count;
        request.dom = DOMID_SELF;
        request.frame_list.p = reinterpret_cast<std::uint64_t*>(kScratch + 0x800);
        EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_get_status_frames, put(request), 1), 0);
        return get<gnttab_get_status_frames_t>().status;
    };
    EXPECT_EQ(status_frames(1), GNTST_general_error) << "version 1 has none";
    ASSERT_EQ(set_version(2), 0);
    EXPECT_EQ(status_frames(2), GNTST_general_error);
    ASSERT_EQ(status_frames(1), GNTST_okay);
    auto const statuses = get<std::uint64_t>(0x800);
    ASSERT_EQ(remap(kOtherPage, statuses << 12 | kWritable), 0);
    EXPECT_EQ(set_version(1), kEbusy) << "the guest would go on reading what says nothing any more";
    ASSERT_EQ(remap(kOtherPage, 0), 0);
    EXPECT_EQ(set_version(1), 0);
    EXPECT_EQ(set_version(7), kEinval);
    EXPECT_EQ(get<gnttab_set_version_t>().version, 1U);
}

TEST_F(GrantTableOp, TheToolstackMapsTheFramesOfEitherTable) {
    auto const acquire = [&](std::uint32_t id, std::uint32_t count, std::uint64_t frame = 0) {
        xen_mem_acquire_resource_t request{};
        request.domid = DOMID_SELF;
        request.type = XENMEM_resource_grant_table;
        request.id = id;
        request.nr_frames = count;
        request.frame = frame;
        if (count != 0)
            request.frame_list.p = reinterpret_cast<xen_pfn_t*>(kScratch + 0x800);
        return call(__HYPERVISOR_memory_op, XENMEM_acquire_resource, put(request));
    };
    EXPECT_EQ(acquire(XENMEM_resource_grant_table_id_shared, 0), 0);
    EXPECT_EQ(get<xen_mem_acquire_resource_t>().nr_frames, 64U);
    EXPECT_EQ(acquire(XENMEM_resource_grant_table_id_status, 0), 0);
    EXPECT_EQ(get<xen_mem_acquire_resource_t>().nr_frames, 8U);
    EXPECT_EQ(acquire(XENMEM_resource_grant_table_id_status, 1), kEinval) << "of version 1 there are none";
    EXPECT_EQ(acquire(2, 1), kEinval);
    put(gnttab_set_version_t{2});
    ASSERT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, kScratch, 1), 0);
    EXPECT_EQ(acquire(XENMEM_resource_grant_table_id_status, 1, 1), 0);
    gnttab_query_size_t size{};
    size.dom = DOMID_SELF;
    ASSERT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, put(size), 1), 0);
    EXPECT_EQ(get<gnttab_query_size_t>().nr_frames, 9U)
        << "the second frame of statuses is that of the ninth of entries";
    EXPECT_EQ(acquire(XENMEM_resource_grant_table_id_status, 2, 7), kEinval);
}

TEST_F(GrantTableOp, ATranslatedDomainMapsItsOwnGrantsByItsOwnNumbersAndNobodyElses) { // SP-14
    SecondDomain second{hypervisor};
    gnttab_setup_table_t setup{};
    setup.dom = DOMID_SELF;
    setup.nr_frames = 1;
    setup.frame_list.p = reinterpret_cast<xen_pfn_t*>(SecondDomain::kScratch + 0x800);
    ASSERT_EQ(second.call(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, second.put(setup), 1), 0);
    auto const entries = second.domain->grants.with([](grants::Grants& both) { return both.table.shared_frame(0); });
    arch::frame_as<grant_entry_v1_t>(entries)[9] = {.flags = GTF_permit_access, .domid = 1, .frame = 6};
    auto const map_in_second = [&](domid_t granter) {
        gnttab_map_grant_ref_t request{};
        request.host_addr = 7 << 12;
        request.flags = GNTMAP_host_map | GNTMAP_device_map;
        request.ref = 9;
        request.dom = granter;
        EXPECT_EQ(second.call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, second.put(request), 1), 0);
        return second.get<gnttab_map_grant_ref_t>();
    };
    auto const own = map_in_second(DOMID_SELF);
    EXPECT_EQ(own.status, GNTST_okay);
    EXPECT_EQ(own.dev_bus_addr, 6U << 12);
    EXPECT_EQ(second.words(3)[7] >> 12, 6U) << "no number of the machine's";
    gnttab_unmap_grant_ref_t unmap{};
    unmap.host_addr = 7 << 12;
    unmap.dev_bus_addr = own.dev_bus_addr;
    unmap.handle = own.handle;
    ASSERT_EQ(second.call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, second.put(unmap), 1), 0);
    EXPECT_EQ(second.get<gnttab_unmap_grant_ref_t>().status, GNTST_okay);

    arch::frame_as<grant_entry_v1_t>(base::Mfn{table})[9] = {
        .flags = GTF_permit_access, .domid = 1, .frame = static_cast<std::uint32_t>(frame_at(kPage))};
    EXPECT_EQ(map_in_second(0).status, GNTST_general_error);
    EXPECT_EQ(flags(9), unsigned{GTF_permit_access});
}

} // namespace
