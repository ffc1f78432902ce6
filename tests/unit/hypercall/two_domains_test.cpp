/// What one domain may do to another: domain 0 maps its memory, itself it may do nothing (docs/abi.md §3.3, §3.4).
#include "unit/hypercall/kernel.hpp"
#include "unit/hypercall/second_domain.hpp"

namespace {

using namespace test;

class TwoDomains : public Kernel {
  protected:
    std::int64_t map_foreign(std::uint64_t address, std::uint64_t entry, std::uint64_t whose = 1) {
        return call(__HYPERVISOR_update_va_mapping_otherdomain, address, entry, UVMF_INVLPG, whose);
    }
    std::uint64_t l1_of(std::uint64_t address) {
        auto const walk = hypervisor.dom0->paging.walk(hypervisor.vcpu().kernel_root.tables, base::Vaddr{address});
        return walk.step[3].table.raw();
    }

    SecondDomain other{hypervisor};
};

TEST_F(TwoDomains, DomainZeroMapsAndWritesAnothersFrameByThatDomainsNumber) {
    auto const index = base::table_index(base::Vaddr{kPage}, 1);
    ASSERT_EQ(update(l1_of(kPage), index, 7 << 12 | kWritable, 1), 0);
    hypervisor.put(kPage, std::uint64_t{0xabcd});
    EXPECT_EQ(other.words(7)[0], 0xabcdU);
    auto const entry = arch::frame_as<std::uint64_t>(base::Mfn{l1_of(kPage)})[index];
    EXPECT_EQ(entry >> 12, other.machine_frame(7).raw()) << "it reads back the machine's number";
    EXPECT_EQ(map_foreign(kPage, 8 << 12 | kWritable), 0);
    hypervisor.put(kPage, std::uint64_t{0xef});
    EXPECT_EQ(other.words(8)[0], 0xefU);
    EXPECT_EQ(remap(kPage, 0), 0);
}

TEST_F(TwoDomains, AFrameOfAnotherMappedWritableIsNoTableAndATableIsNotMappedWritable) {
    EXPECT_EQ(map_foreign(kPage, 2 << 12 | kWritable), kEbusy) << "an L2 of its";
    EXPECT_EQ(map_foreign(kPage, 2 << 12 | kReadOnly), 0);
    EXPECT_EQ(map_foreign(kOtherPage, 7 << 12 | kWritable), 0);
    EXPECT_EQ(other.call(__HYPERVISOR_mmuext_op,
                         other.put(mmuext_op_t{.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = {.mfn = 7}, .arg2 = {}}), 1, 0,
                         DOMID_SELF),
              kEinval);
}

TEST_F(TwoDomains, WhatIsNotTheOthersIsNotMapped) {
    EXPECT_EQ(map_foreign(kPage, SecondDomain::kFrames << 12 | kWritable), kEinval);
    EXPECT_EQ(map_foreign(kPage, other.domain->shared_frame.raw() << 12 | kWritable), kEinval);
    EXPECT_EQ(map_foreign(kPage, 7 << 12 | kWritable, 2), kEsrch);
    EXPECT_EQ(update(l1_of(kPage), 0, 7 << 12 | kWritable, 2), kEsrch);
}

TEST_F(TwoDomains, AFrameThatAnotherGivesUpStaysTheMappersUntilItUnmapsIt) {
    ASSERT_EQ(map_foreign(kPage, 7 << 12 | kWritable), 0);
    other.put(std::uint64_t{7}, 0x100);
    xen_memory_reservation_t request{};
    request.extent_start.p = reinterpret_cast<xen_pfn_t*>(SecondDomain::kScratch + 0x100);
    request.nr_extents = 1;
    request.domid = DOMID_SELF;
    other.words(3)[7] = 0; // not by the book; the shadow follows
    ASSERT_EQ(other.call(__HYPERVISOR_mmu_update, other.put(mmu_update_t{.ptr = 3 << 12 | 7 * 8, .val = 0}), 1, 0,
                         DOMID_SELF),
              0);
    ASSERT_EQ(other.call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, other.put(request)), 1);
    hypervisor.put(kPage, std::uint64_t{5});
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kPage), 5U);
    EXPECT_EQ(hypervisor.system->quotas[1].total(), SecondDomain::kFrames);
    ASSERT_EQ(remap(kPage, 0), 0);
    EXPECT_EQ(hypervisor.system->quotas[1].total(), SecondDomain::kFrames - 1);
}

TEST_F(TwoDomains, DomainZeroChangesTheOthersTablesWithTheOthersFrames) {
    constexpr std::uint64_t kTablesOfOther = 2 << 16;
    EXPECT_EQ(update(3, 100, 9 << 12 | kWritable, kTablesOfOther | 1), 0);
    EXPECT_EQ(other.words(3)[100] >> 12, 9U);
    auto const number = domain::read_guest<std::uint64_t>(other.vcpu(), base::Vaddr{100 << 12});
    EXPECT_TRUE(number.ok());
}

TEST_F(TwoDomains, AnUnprivilegedDomainReachesNobodyElse) {
    auto const update_of = [&](std::uint64_t whose) {
        auto const at = other.put(mmu_update_t{.ptr = 3 << 12 | 200 * 8, .val = 5 << 12 | kWritable});
        return other.call(__HYPERVISOR_mmu_update, at, 1, 0, whose);
    };
    EXPECT_EQ(update_of(DOMID_SELF), 0);
    EXPECT_EQ(update_of(1), 0) << "its own id";
    EXPECT_EQ(update_of(0), kEperm);
    EXPECT_EQ(update_of(1 << 16 | DOMID_SELF), kEperm) << "domain 0's tables";
    EXPECT_EQ(update_of(DOMID_XEN), kEperm);
    EXPECT_EQ(update_of(DOMID_IO), kEperm) << "it has no devices";
    EXPECT_EQ(other.call(__HYPERVISOR_update_va_mapping_otherdomain, 5 << 12, 5 << 12 | kWritable, 0, 0), kEperm);

    auto const pin = other.put(mmuext_op_t{.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = {.mfn = 5}, .arg2 = {}});
    EXPECT_EQ(other.call(__HYPERVISOR_mmuext_op, pin, 1, 0, 0), kEperm);
    auto const flush = other.put(mmuext_op_t{.cmd = MMUEXT_FLUSH_CACHE, .arg1 = {}, .arg2 = {}});
    EXPECT_EQ(other.call(__HYPERVISOR_mmuext_op, flush, 1, 0, DOMID_SELF), kEperm);

    EXPECT_EQ(other.call(__HYPERVISOR_memory_op, XENMEM_current_reservation, other.put(domid_t{0})), kEperm);
    EXPECT_EQ(other.call(__HYPERVISOR_memory_op, XENMEM_current_reservation, other.put(domid_t{DOMID_SELF})),
              std::int64_t{SecondDomain::kFrames});
    EXPECT_EQ(other.call(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, other.put(xen_memory_map_t{})), kEperm);
    xen_memory_reservation_t request{};
    request.extent_start.p = reinterpret_cast<xen_pfn_t*>(SecondDomain::kScratch + 0x100);
    request.nr_extents = 1;
    request.domid = 0;
    other.put(frame_at(kPage), 0x100);
    EXPECT_EQ(other.call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, other.put(request)), 0) << "none done";

    EXPECT_EQ(other.call(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, other.put(evtchn_reset_t{.dom = 0})), kEperm);
    EXPECT_EQ(other.call(__HYPERVISOR_console_io, CONSOLEIO_read, 5, SecondDomain::kScratch), kEperm);
    for (domid_t const whose : {domid_t{0}, domid_t{1}}) {
        auto const size = other.put(gnttab_query_size_t{.dom = whose, .nr_frames = 0, .max_nr_frames = 0, .status = 1});
        EXPECT_EQ(other.call(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, size, 1), 0);
        EXPECT_EQ(other.get<gnttab_query_size_t>().status, whose == 1 ? GNTST_okay : GNTST_permission_denied);
    }
}

TEST_F(TwoDomains, AnUnprivilegedDomainMapsNeitherMachineFramesNorDevices) {
    auto const map = [&](std::uint64_t frame) {
        return other.call(__HYPERVISOR_update_va_mapping, 6 << 12, frame << 12 | kWritable, UVMF_INVLPG);
    };
    EXPECT_EQ(map(5), 0);
    EXPECT_LT(map(0xfee00), 0);
    EXPECT_LT(map(0xfe000), 0);
    EXPECT_LT(map(frame_at(kPage)), 0);
    EXPECT_LT(map(other.machine_frame(5).raw()), 0) << "the machine's number of its own frame";
    EXPECT_LT(map(SecondDomain::kFrames), 0);
}

TEST_F(TwoDomains, AnUnprivilegedDomainThatCrashesEndsAlone) {
    constexpr std::uint32_t kPageFault = 14;
    arch_fake::OnCpu const there{base::CpuId{1}};
    arch::Registers frame{};
    frame.vector = kPageFault; // it has no handler
    EXPECT_THROW(run::handle_exit(*hypervisor.system, frame), Idle);
    EXPECT_TRUE(other.domain->shut_down.load());
    EXPECT_EQ(other.domain->shutdown_code.load(), unsigned{SHUTDOWN_crash});
    EXPECT_FALSE(hypervisor.dom0->shut_down.load());
}

} // namespace
