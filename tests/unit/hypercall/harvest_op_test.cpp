/// tern_op: what a domain has written, by either tracker (abi/tern.h; SP-19 to SP-22).
#include <bitset>

#include "abi/tern.h"
#include "abi/toolstack.hpp"
#include "unit/hypercall/tracked_domain.hpp"

namespace {

using namespace test;

class HarvestOp : public TrackedDomain, public testing::WithParamInterface<unsigned> {
  protected:
    static constexpr std::uint64_t kBitmap = kPage + 0x800;
    static constexpr std::uint64_t kForeign = kPage + 0x900;
    static constexpr std::uint64_t kHeat = kPage + 0xa00;
    using Bitmap = std::bitset<64>;

    std::int64_t track(unsigned mode, std::uint16_t domain = 1) {
        tern_track const request{.domain = domain, .mode = static_cast<std::uint16_t>(mode), .unused = 0, .stopped = 0};
        auto const answer = call(__HYPERVISOR_tern_op, TERN_track, put(request));
        stopped = get<tern_track>().stopped;
        return answer;
    }
    static tern_harvest request(unsigned flags) {
        tern_harvest request{};
        request.domain = 1;
        request.flags = static_cast<std::uint16_t>(flags);
        request.count = SecondDomain::kFrames;
        request.bitmap = kBitmap;
        return request;
    }
    std::int64_t ask(tern_harvest const& request) {
        auto const answer = call(__HYPERVISOR_tern_op, TERN_harvest, put(request));
        told = get<tern_harvest>();
        return answer;
    }
    Bitmap dirty(unsigned flags = TERN_HARVEST_clean) {
        hypervisor.put(kBitmap, std::uint64_t{0});
        EXPECT_EQ(ask(request(flags)), 0);
        Bitmap const bits{hypervisor.get<std::uint64_t>(kBitmap)};
        EXPECT_EQ(told.dirty, bits.count());
        EXPECT_EQ(told.count, SecondDomain::kFrames);
        return bits;
    }
    void begin() {
        other.stop();
        ASSERT_EQ(track(GetParam()), 0);
        other.go();
        dirty();
    }
    void end() { EXPECT_EQ(track(TERN_TRACK_off), 0); }

    tern_harvest told{};
    std::uint64_t stopped = 0;
};

INSTANTIATE_TEST_SUITE_P(Trackers, HarvestOp, testing::Values(TERN_TRACK_harvest, TERN_TRACK_write_protect),
                         [](auto const& which) {
                             return which.param == TERN_TRACK_harvest ? "Harvest" : "WriteProtect";
                         });

TEST_P(HarvestOp, WhatAProcessorOrTheHypervisorWritesIsToldOnce) {
    begin();
    EXPECT_EQ(dirty(), Bitmap{});
    processor_writes(6 << 12);
    xen_feature_info_t const which{.submap_idx = 0, .submap = 0};
    EXPECT_EQ(other.call(__HYPERVISOR_xen_version, XENVER_get_features, other.put(which)), 0);
    EXPECT_EQ(dirty(), Bitmap{1 << 6 | 1 << kScratchGfn});
    EXPECT_EQ(dirty(), Bitmap{});
    processor_writes(6 << 12);
    EXPECT_EQ(dirty(), Bitmap{1 << 6}) << "and again";
    end();
}

TEST_P(HarvestOp, WhatIsNotTakenIsToldAgain) {
    begin();
    processor_writes(7 << 12);
    EXPECT_EQ(dirty(0), Bitmap{1 << 7});
    EXPECT_EQ(dirty(0), Bitmap{1 << 7});
    EXPECT_EQ(dirty(), Bitmap{1 << 7});
    EXPECT_EQ(dirty(0), Bitmap{});
    end();
}

TEST_P(HarvestOp, OnlyTheRangeIsTold) {
    begin();
    processor_writes(6 << 12);
    processor_writes(7 << 12);
    auto part = request(TERN_HARVEST_clean);
    part.count = 7;
    hypervisor.put(kBitmap, std::uint64_t{0});
    EXPECT_EQ(ask(part), 0);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kBitmap), 1U << 6);
    EXPECT_EQ(told.dirty, 1U);
    auto const number = told.number;
    part = request(TERN_HARVEST_clean);
    part.first = 64; // beyond the domain
    EXPECT_EQ(ask(part), 0);
    EXPECT_EQ(told.count, 0U);
    EXPECT_EQ(dirty(TERN_HARVEST_same | TERN_HARVEST_clean), Bitmap{1 << 7});
    EXPECT_EQ(told.number, number + 1) << "nothing was collected by the last call";
    end();
}

TEST_P(HarvestOp, WhoReadsOnHearsNothingNew) {
    begin();
    processor_writes(6 << 12);
    EXPECT_EQ(dirty(0), Bitmap{1 << 6});
    processor_writes(7 << 12);
    auto const flushes = hypervisor.system->flush_clock.clock().now();
    auto const again = dirty(TERN_HARVEST_same);
    EXPECT_TRUE(again[6]);
    EXPECT_EQ(again[7], GetParam() == TERN_TRACK_write_protect) << "a fault has told of it";
    EXPECT_EQ(hypervisor.system->flush_clock.clock().now(), flushes);
    EXPECT_EQ(dirty(), Bitmap{1 << 6 | 1 << 7});
    end();
}

TEST_P(HarvestOp, FramesThatOthersMayWriteToAreAClassOfTheirOwn) { // SP-21
    ASSERT_EQ(map_foreign(8 << 12 | kWritable), 0);
    begin();
    EXPECT_EQ(dirty(), Bitmap{1 << 8}) << "they count as dirty, unless somebody asks";
    processor_writes(6 << 12);
    auto apart = request(TERN_HARVEST_clean);
    apart.foreign = kForeign;
    for (unsigned round = 0; round < 2; ++round) {
        hypervisor.put(kBitmap, std::uint64_t{0});
        hypervisor.put(kForeign, std::uint64_t{0});
        EXPECT_EQ(ask(apart), 0);
        EXPECT_EQ(hypervisor.get<std::uint64_t>(kBitmap), round == 0 ? 1U << 6 : 0U);
        EXPECT_EQ(hypervisor.get<std::uint64_t>(kForeign), 1U << 8);
        EXPECT_EQ(told.foreign_frames, 1U);
    }
    hypervisor.put(kOtherPage, std::uint64_t{5}); // as a back end would
    EXPECT_EQ(remap(kOtherPage, 0), 0);
    EXPECT_EQ(ask(apart), 0);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kBitmap), 1U << 8) << "when the mapping ends, its writes are dirty";
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kForeign), 0U);
    end();
}

TEST_P(HarvestOp, OnlyWordsWithABitAreWrittenToABitmapThatIsZero) {
    begin();
    hypervisor.put(kBitmap, std::uint64_t{0x5555});
    EXPECT_EQ(ask(request(TERN_HARVEST_clean | TERN_HARVEST_zeroed)), 0);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kBitmap), 0x5555U);
    processor_writes(6 << 12);
    EXPECT_EQ(ask(request(TERN_HARVEST_clean | TERN_HARVEST_zeroed)), 0);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kBitmap) & 0xffff, 1U << 6);
    end();
}

TEST_P(HarvestOp, ARegionGrowsHotAndCools) {
    begin();
    auto with_heat = request(TERN_HARVEST_clean);
    with_heat.heat = kHeat;
    auto const heat = [&] {
        hypervisor.put(kHeat, std::uint16_t{0xeeee});
        EXPECT_EQ(ask(with_heat), 0);
        EXPECT_EQ(hypervisor.get<std::uint8_t>(kHeat + 1), 0xee) << "it has one region only";
        return hypervisor.get<std::uint8_t>(kHeat);
    };
    auto const before = heat();
    processor_writes(6 << 12);
    auto const hot = heat();
    EXPECT_GT(hot, before);
    for (unsigned i = 0; i < 30; ++i)
        heat();
    EXPECT_EQ(heat(), 0);
    end();
}

TEST_P(HarvestOp, WhatItTookIsTold) {
    begin();
    auto const first = told.number;
    processor_writes(6 << 12);
    dirty();
    EXPECT_EQ(told.number, first + 1);
    EXPECT_EQ(told.leaves, 1U);
    EXPECT_GE(told.tables, 1U);
    EXPECT_GE(told.entries, SecondDomain::kFrames - SecondDomain::kFirstPage);
    EXPECT_EQ(told.write_faults, GetParam() == TERN_TRACK_write_protect ? 1U : 0U);
    dirty();
    EXPECT_EQ(told.write_faults, 0U);
    EXPECT_EQ(told.leaves, 0U);
    end();
}

TEST_P(HarvestOp, PreemptedItTellsTheSame) { // SP-9
    time_flies();
    begin();
    EXPECT_GT(stopped, 0U);
    processor_writes(6 << 12);
    processor_writes(7 << 12);
    EXPECT_EQ(dirty(), Bitmap{1 << 6 | 1 << 7});
    EXPECT_GT(told.nanoseconds, 0U);
    end();
}

TEST_P(HarvestOp, WhatCannotBeDeliveredStaysInTheLog) {
    begin();
    processor_writes(7 << 12);
    auto wrong = request(TERN_HARVEST_clean);
    wrong.bitmap = kNowhere;
    EXPECT_EQ(ask(wrong), kEfault);
    wrong = request(TERN_HARVEST_clean);
    wrong.foreign = kHole;
    EXPECT_EQ(ask(wrong), kEfault);
    EXPECT_EQ(dirty(0), Bitmap{1 << 7});
    wrong = request(0);
    wrong.heat = kHole;
    EXPECT_EQ(ask(wrong), kEfault);
    EXPECT_EQ(call(__HYPERVISOR_tern_op, TERN_harvest, kNowhere), kEfault);
    EXPECT_EQ(dirty(), Bitmap{1 << 7});
    end();
}

TEST_P(HarvestOp, XensCallTellsOfTheSameLog) {
    begin();
    processor_writes(6 << 12);
    xen_domctl_t op{};
    op.cmd = XEN_DOMCTL_shadow_op;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = 1;
    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_CLEAN;
    op.u.shadow_op.pages = SecondDomain::kFrames;
    EXPECT_EQ(call(__HYPERVISOR_domctl, put(op)), 0);
    EXPECT_EQ(get<xen_domctl_t>().u.shadow_op.stats.dirty_count, 1U);
    EXPECT_EQ(dirty(), Bitmap{});
    end();
}

TEST_P(HarvestOp, WhatCannotBeIsRefused) {
    EXPECT_EQ(ask(request(0)), kEnodata) << "it is not tracked";
    EXPECT_EQ(track(3), kEinval);
    EXPECT_EQ(track(GetParam(), 0), kEinval) << "the caller itself";
    EXPECT_EQ(track(GetParam(), 2), kEsrch);
    EXPECT_EQ(call(__HYPERVISOR_tern_op, TERN_track, kNowhere), kEfault);
    other.stop();
    ASSERT_EQ(track(GetParam()), 0);
    other.go();
    EXPECT_EQ(ask(request(TERN_HARVEST_same)), kEinval) << "there is no harvest yet";
    dirty();
    EXPECT_EQ(track(TERN_TRACK_harvest), kEinval) << "it is tracked already";
    EXPECT_EQ(track(TERN_TRACK_write_protect), kEinval);
    EXPECT_EQ(ask(request(8)), kEinval);
    auto wrong = request(0);
    wrong.first = 32;
    EXPECT_EQ(ask(wrong), kEinval);
    wrong = request(0);
    wrong.domain = 2;
    EXPECT_EQ(ask(wrong), kEsrch);
    EXPECT_EQ(other.call(__HYPERVISOR_tern_op, TERN_harvest, SecondDomain::kScratch), kEperm);
    end();
    end();
    ASSERT_FALSE(HasFailure());
}

} // namespace
