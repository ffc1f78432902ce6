/// XENMEM_exchange: frames for others that lie better (docs/abi.md §3.4).
#include <vector>

#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;

class Exchange : public Kernel {
  protected:
    static constexpr std::uint64_t kIn = Hypervisor::kVirtBase + 0x30000, kOut = Hypervisor::kVirtBase + 0x32000;

    struct Extents {
        unsigned order = 0;
        std::vector<std::uint64_t> first{};
        std::uint64_t at = 0; ///< where the guest says that they are
    };
    std::int64_t exchange(Extents const& in, Extents const& out, unsigned address_bits = 0, std::uint64_t done = 0) {
        xen_memory_exchange_t request{};
        request.in = reservation(in, kIn);
        request.out = reservation(out, kOut);
        request.out.mem_flags = address_bits;
        request.nr_exchanged = done;
        return call(__HYPERVISOR_memory_op, XENMEM_exchange, put(request));
    }
    std::uint64_t exchanged() { return get<xen_memory_exchange_t>().nr_exchanged; }
    std::uint64_t taken(unsigned which = 0) { return hypervisor.get<std::uint64_t>(kOut + 8 * which); }
    std::vector<std::uint64_t> blanks(std::uint64_t count) {
        std::vector<std::uint64_t> frames;
        for (std::uint64_t i = 0; i < count; ++i)
            frames.push_back(blank(i));
        return frames;
    }

  private:
    xen_memory_reservation_t reservation(Extents const& extents, std::uint64_t place) {
        for (std::size_t i = 0; i < extents.first.size(); ++i)
            hypervisor.put(place + 8 * i, extents.first[i]);
        xen_memory_reservation_t made{};
        made.extent_start.p = reinterpret_cast<xen_pfn_t*>(extents.at != 0 ? extents.at : place);
        made.nr_extents = extents.first.size();
        made.extent_order = extents.order;
        made.domid = DOMID_SELF;
        return made;
    }
};

TEST_F(Exchange, SingleFramesBecomeAContiguousExtent) {
    auto const given = blanks(64);
    EXPECT_EQ(exchange({0, given}, {6, {500}}, 24), 0);
    EXPECT_EQ(exchanged(), 64U);
    EXPECT_EQ(pages(), pages_at_first);
    EXPECT_EQ(taken() % 64, 0U);
    EXPECT_LE((taken() + 64) << 12, std::uint64_t{1} << 24);
    for (std::uint64_t i = 0; i < 64; ++i)
        EXPECT_EQ(arch::machine_to_phys()[taken() + i], 500 + i);
}

TEST_F(Exchange, AnExtentBecomesSingleFramesAgain) {
    ASSERT_EQ(exchange({0, blanks(4)}, {2, {500}}), 0);
    EXPECT_EQ(exchange({2, {taken()}}, {0, {500, 501, 502, 503}}), 0);
    EXPECT_EQ(exchanged(), 1U);
    for (unsigned i = 0; i < 4; ++i)
        EXPECT_EQ(arch::machine_to_phys()[taken(i)], 500U + i);
}

TEST_F(Exchange, ExtentsGoUpToTwoMebibytes) {
    EXPECT_EQ(exchange({0, blanks(512)}, {9, {500}}), 0);
    EXPECT_EQ(taken() % 512, 0U);
    EXPECT_EQ(exchange({0, {taken()}}, {10, {500}}), kEperm);
    EXPECT_EQ(exchange({10, {taken()}}, {0, {500}}), kEperm);
}

TEST_F(Exchange, NewFramesShowNothingOfWhatTheyWere) {
    hypervisor.put(kPage, std::array<std::uint64_t, 512>{1, 2, 3});
    auto const given = frame_at(kPage);
    ASSERT_EQ(remap(kPage, 0), 0);
    ASSERT_EQ(exchange({0, {given}}, {0, {32}}), 0);
    ASSERT_EQ(remap(kPage, taken() << 12 | kWritable), 0);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kPage), 0U);
    hypervisor.system->flush_clock.flush_here();
    hypervisor.system->allocator.reclaim(~std::size_t{0});
    for (std::uint64_t word = 0; word < 512; ++word)
        EXPECT_EQ(arch::frame_as<std::uint64_t>(base::Mfn{given})[word], 0U) << "scrubbed as soon as no TLB knows it";
}

TEST_F(Exchange, AFrameThatIsStillUsedIsRefusedAndNothingHasChanged) {
    ASSERT_EQ(extended(MMUEXT_PIN_L3_TABLE, blank(1)), 0);
    for (std::uint64_t const used : {frame_at(kPage), blank(1), hypervisor.dom0->shared_frame.raw()}) {
        EXPECT_EQ(exchange({0, {blank(0), used}}, {1, {500}}), kEinval);
        EXPECT_EQ(exchanged(), 0U);
    }
    EXPECT_EQ(frame(pages_at_first - 1), blank(0));
    EXPECT_EQ(remap(kPage, blank(0) << 12 | kWritable), 0) << "it is the domain's still";
}

TEST_F(Exchange, AFrameCannotBeGivenTwice) {
    EXPECT_EQ(exchange({0, {blank(0), blank(0)}}, {1, {500}}), kEinval);
    EXPECT_EQ(pages(), pages_at_first);
}

TEST_F(Exchange, WithoutMemoryThatLiesSoNothingHasChanged) {
    EXPECT_EQ(exchange({0, blanks(4)}, {2, {500}}, 13), kEnomem);
    EXPECT_EQ(exchanged(), 0U);
    EXPECT_EQ(pages(), pages_at_first);
}

TEST_F(Exchange, IfTheAnswerCannotBeWrittenTheFramesAreTheDomainsAllTheSame) {
    // The list of what is taken begins at the end of a page that can only be read: its pfns can be read, no answer
    // can be written, and all eight frames are there.
    for (unsigned i = 0; i < 8; ++i)
        hypervisor.put(kPage + 8 * i, std::uint64_t{500 + i});
    ASSERT_EQ(remap(kPage, frame_at(kPage) << 12 | kReadOnly), 0);
    ASSERT_EQ(exchange({0, blanks(8)}, {3, {0}}), 0);
    EXPECT_EQ(exchange({3, {taken()}}, {0, std::vector<std::uint64_t>(8), kPage}), kEfault);
    EXPECT_EQ(pages(), pages_at_first);
    for (std::uint64_t pfn = 500; pfn < 508; ++pfn)
        EXPECT_NO_THROW(frame(pfn));
}

TEST_F(Exchange, ListsThatDoNotMatchAreRefused) {
    EXPECT_EQ(exchange({0, blanks(3)}, {1, {500}}), kEinval);
    EXPECT_EQ(exchange({0, blanks(2)}, {1, {500}}, 0, 3), kEinval);
    EXPECT_EQ(exchange({0, blanks(4)}, {2, {500}}, 0, 1), kEinval) << "half a chunk cannot have been exchanged";
    EXPECT_EQ(exchange({0, blanks(2), kNowhere}, {1, {500}}), kEfault);
    EXPECT_EQ(exchange({0, blanks(2)}, {1, {500}, kNowhere}), kEfault);
    EXPECT_EQ(pages(), pages_at_first);
}

TEST_F(Exchange, IsContinuedBetweenChunks) {
    time_flies();
    EXPECT_EQ(exchange({0, blanks(8)}, {1, {500, 502, 504, 506}}), 0);
    EXPECT_EQ(hypervisor.continued, 3U);
    EXPECT_EQ(exchanged(), 8U);
    EXPECT_EQ(pages(), pages_at_first);
}

} // namespace
