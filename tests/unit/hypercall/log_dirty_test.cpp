/// XEN_DOMCTL_shadow_op: what a domain has written, as domain 0 is told (docs/abi.md §9.4; SP-5, SP-21, SP-22).
#include <bitset>

#include "abi/toolstack.hpp"
#include "unit/hypercall/tracked_domain.hpp"

namespace {

using namespace test;

class LogDirty : public TrackedDomain {
  protected:
    static constexpr std::uint64_t kBitmap = kPage + 0x800;
    using Bitmap = std::bitset<64>;

    std::int64_t shadow_op(std::uint32_t what, std::uint64_t bitmap = 0, std::uint64_t pages = SecondDomain::kFrames) {
        xen_domctl_t op{};
        op.cmd = XEN_DOMCTL_shadow_op;
        op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        op.domain = 1;
        op.u.shadow_op.op = what;
        op.u.shadow_op.dirty_bitmap.p = reinterpret_cast<std::uint8_t*>(bitmap);
        op.u.shadow_op.pages = pages;
        hypervisor.put(kPage, op);
        auto const answer = call(__HYPERVISOR_domctl, kPage);
        told = hypervisor.get<xen_domctl_t>(kPage).u.shadow_op;
        return answer;
    }
    Bitmap dirty(std::uint32_t what = XEN_DOMCTL_SHADOW_OP_CLEAN) {
        hypervisor.put(kBitmap, std::uint64_t{0});
        EXPECT_EQ(shadow_op(what, kBitmap), 0);
        Bitmap const bits{hypervisor.get<std::uint64_t>(kBitmap)};
        EXPECT_EQ(told.stats.dirty_count, bits.count());
        EXPECT_EQ(told.pages, SecondDomain::kFrames);
        return bits;
    }
    void track() {
        other.stop();
        ASSERT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY), 0);
        other.go();
        dirty();
    }

    xen_domctl_shadow_op told{};
};

TEST_F(LogDirty, WhatAProcessorOrTheHypervisorWritesIsToldOnce) {
    track();
    EXPECT_EQ(dirty(), Bitmap{});
    processor_writes(6 << 12);
    xen_feature_info_t const which{.submap_idx = 0, .submap = 0};
    EXPECT_EQ(other.call(__HYPERVISOR_xen_version, XENVER_get_features, other.put(which)), 0);
    EXPECT_EQ(dirty(), Bitmap{1 << 6 | 1 << kScratchGfn});
    EXPECT_EQ(dirty(), Bitmap{});
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

TEST_F(LogDirty, ATableThatIsChangedIsDirty) {
    track();
    auto const at = other.put(mmu_update_t{.ptr = 3 << 12 | 200 * 8, .val = 5 << 12 | kReadOnly});
    EXPECT_EQ(other.call(__HYPERVISOR_mmu_update, at, 1, 0, DOMID_SELF), 0);
    EXPECT_TRUE(dirty()[3]);
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

TEST_F(LogDirty, APeekLeavesTheLogAsItIs) {
    track();
    processor_writes(7 << 12);
    EXPECT_EQ(dirty(XEN_DOMCTL_SHADOW_OP_PEEK), Bitmap{1 << 7});
    EXPECT_EQ(dirty(XEN_DOMCTL_SHADOW_OP_PEEK), Bitmap{1 << 7});
    EXPECT_EQ(dirty(), Bitmap{1 << 7});
    EXPECT_EQ(dirty(XEN_DOMCTL_SHADOW_OP_PEEK), Bitmap{});
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

TEST_F(LogDirty, WhatCannotBeDeliveredStaysInTheLog) {
    track();
    processor_writes(7 << 12);
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_CLEAN, kNowhere), kEfault);
    hypervisor.put(kBitmap, std::uint64_t{0});
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_CLEAN, kBitmap, 5), 0);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kBitmap), 0U) << "a part of the domain";
    EXPECT_EQ(told.pages, 5U);
    EXPECT_EQ(dirty(), Bitmap{1 << 7});
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

TEST_F(LogDirty, WithoutABitmapOnlyTheCountIsTold) {
    track();
    processor_writes(6 << 12);
    processor_writes(7 << 12);
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_PEEK), 0);
    EXPECT_EQ(told.stats.dirty_count, 2U);
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_CLEAN), 0) << "which cleans, as on Xen";
    EXPECT_EQ(told.stats.dirty_count, 2U);
    EXPECT_EQ(dirty(), Bitmap{});
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

TEST_F(LogDirty, WhatAnotherDomainMayWriteToIsDirtyAsLongAsItMay) { // SP-21
    ASSERT_EQ(map_foreign(8 << 12 | kWritable), 0);
    track();
    EXPECT_EQ(dirty(), Bitmap{1 << 8}) << "mapped before tracking began";
    EXPECT_EQ(dirty(), Bitmap{1 << 8});
    ASSERT_EQ(map_foreign(9 << 12 | kWritable), 0);
    EXPECT_EQ(dirty(), Bitmap{1 << 9});
    ASSERT_EQ(map_foreign(9 << 12 | kReadOnly), 0);
    EXPECT_EQ(dirty(), Bitmap{});
    EXPECT_EQ(remap(kOtherPage, 0), 0);
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

TEST_F(LogDirty, APageThatIsGivenBackAndTakenAgainIsDirty) {
    track();
    xen_memory_reservation_t request{};
    request.extent_start.p = reinterpret_cast<xen_pfn_t*>(SecondDomain::kScratch + 0x100);
    request.nr_extents = 1;
    request.domid = DOMID_SELF;
    auto const unmap = other.put(mmu_update_t{.ptr = 3 << 12 | 10 * 8, .val = 0});
    ASSERT_EQ(other.call(__HYPERVISOR_mmu_update, unmap, 1, 0, DOMID_SELF), 0);
    other.put(std::uint64_t{10}, 0x100);
    ASSERT_EQ(other.call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, other.put(request)), 1);
    dirty();
    ASSERT_EQ(other.call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, other.put(request)), 1);
    EXPECT_TRUE(dirty()[10]);
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

TEST_F(LogDirty, APreemptedHarvestTellsTheSame) { // SP-9
    track();
    processor_writes(6 << 12);
    processor_writes(7 << 12);
    time_flies();
    EXPECT_EQ(dirty(), Bitmap{1 << 6 | 1 << 7});
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
}

TEST_F(LogDirty, WhatCannotBeIsRefusedAndChangesNothing) {
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_CLEAN, kBitmap), kEinval) << "it is off";
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_ENABLE), kEinval) << "no mode";
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_ENABLE_TEST), -95);
    track();
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY), kEinval) << "it is on";
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0);
    track();
    EXPECT_EQ(shadow_op(XEN_DOMCTL_SHADOW_OP_OFF), 0) << "and it can be had again";
}

} // namespace
