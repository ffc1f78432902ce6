#include "build/layout.hpp"

#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "unit/build/layout_rules.hpp"

namespace {

using base::Error;
using base::Pfn;
using base::Vaddr;
using build::Layout;
using build::LayoutRequest;
using build::PfnRange;
using build::plan_layout;

constexpr std::uint64_t kMiB = 256; ///< frames

void expect_consistent(LayoutRequest const& request, Layout const& layout) {
    auto const broken = test::broken_rule(request, layout);
    EXPECT_FALSE(broken) << *broken << ": nr_pages " << request.nr_pages << ", kernel " << request.kernel.first.raw()
                         << ".." << request.kernel.end.raw() << ", initrd " << request.initrd_bytes;
}

PfnRange pfns(std::uint64_t first, std::uint64_t end) { return {Pfn{first}, Pfn{end}}; }

/// Debian's kernel: 16 MiB to 74 MiB, p2m list and initrd outside of the mapping.
LayoutRequest linux_request(std::uint64_t nr_pages = 512 * kMiB, std::uint64_t initrd = 0) {
    return {.nr_pages = nr_pages,
            .kernel = pfns(0x1000, 0x4a00),
            .initrd_bytes = initrd,
            .virt_base = Vaddr{0xffffffff80000000},
            .init_p2m = Vaddr{0x8000000000},
            .initrd_outside = true};
}

/// A guest without the two notes: everything is in the mapping.
LayoutRequest plain_request(std::uint64_t nr_pages = 64 * kMiB, std::uint64_t initrd = 0) {
    return {.nr_pages = nr_pages,
            .kernel = pfns(0x100, 0x110),
            .initrd_bytes = initrd,
            .virt_base = Vaddr{0},
            .init_p2m = std::nullopt,
            .initrd_outside = false};
}

Layout plan(LayoutRequest const& request) {
    auto const layout = plan_layout(request);
    EXPECT_TRUE(layout) << layout.error().reason;
    expect_consistent(request, layout.value());
    return layout.value();
}

TEST(Layout, OfALinuxIsTheDocumentedOne) {
    auto const layout = plan(linux_request(512 * kMiB, 30 << 20));
    EXPECT_EQ(layout.start_info, Pfn{0x4a00});
    EXPECT_EQ(layout.tables.l4(), Pfn{0x4a01});
    // 76 MiB are mapped: one L3, one L2, 38 L1s, and the L4.
    EXPECT_EQ(layout.tables.frames(), 41U);
    EXPECT_EQ(layout.stack, Pfn{0x4a01 + 41});
    EXPECT_EQ(layout.mapped_end, Pfn{0x4c00});
    EXPECT_EQ(layout.initrd, pfns(0x4c00, 0x4c00 + 30 * kMiB));
    EXPECT_EQ(layout.p2m.first, layout.initrd.end);
    EXPECT_EQ(layout.p2m.count(), 256U); // 512 MiB of frames, 8 bytes each
    EXPECT_EQ(layout.p2m_address, Vaddr{0x8000000000});
    ASSERT_TRUE(layout.p2m_tables);
    EXPECT_EQ(layout.p2m_tables->first(), layout.p2m.end);
    EXPECT_EQ(layout.p2m_tables->frames(), 3U);
    EXPECT_FALSE(layout.initrd_mapped());
}

TEST(Layout, OfAPlainGuestMapsEverything) {
    auto const layout = plan(plain_request(64 * kMiB, 5000));
    EXPECT_EQ(layout.initrd, pfns(0x110, 0x112));
    EXPECT_EQ(layout.p2m, pfns(0x112, 0x132));
    EXPECT_EQ(layout.p2m_address, Vaddr{0x112000});
    EXPECT_FALSE(layout.p2m_tables);
    EXPECT_EQ(layout.start_info, Pfn{0x132});
    EXPECT_TRUE(layout.initrd_mapped());
}

TEST(Layout, KeepsEachNoteForItself) {
    auto only_p2m = linux_request(512 * kMiB, 1 << 20);
    only_p2m.initrd_outside = false;
    EXPECT_TRUE(plan(only_p2m).initrd_mapped());
    auto only_initrd = linux_request(512 * kMiB, 1 << 20);
    only_initrd.init_p2m.reset();
    auto const layout = plan(only_initrd);
    EXPECT_FALSE(layout.initrd_mapped());
    EXPECT_LT(layout.p2m.end, layout.mapped_end);
}

TEST(Layout, AddsFourMebibytesRatherThanLeaveTooLittlePadding) {
    // With one frame more or less in the kernel, the padding jumps over its least size exactly once in 4 MiB.
    for (std::uint64_t end = 0x110; end < 0x110 + 2048; ++end) {
        auto request = plain_request();
        request.kernel.end = Pfn{end};
        auto const layout = plan(request);
        auto const padding = layout.mapped_end - (layout.stack + 1);
        EXPECT_GE(padding, 128U);
        EXPECT_LT(padding, 128U + 1024);
    }
}

TEST(Layout, EndsAtAMultipleOfFourMebibytesEvenIfItStartsAtNone) {
    auto request = plain_request();
    request.virt_base = Vaddr{0x7000};
    auto const layout = plan(request);
    EXPECT_EQ(layout.address_of(layout.mapped_end).raw() % (4 << 20), 0U);
}

TEST(Layout, ReachesTheVeryEndOfTheAddressSpace) {
    auto request = plain_request();
    request.virt_base = Vaddr{~std::uint64_t{0} - (4 << 20) + 1};
    auto const layout = plan(request);
    EXPECT_EQ(layout.tables.last(), Vaddr{~std::uint64_t{0}});
    EXPECT_EQ(layout.address_of(layout.mapped_end), Vaddr{0});
}

TEST(Layout, HoldsForAHugeDomain) {
    auto const layout = plan(linux_request(std::uint64_t{1} << 32)); // 16 TiB
    EXPECT_EQ(layout.p2m.count(), std::uint64_t{1} << 23);
    EXPECT_EQ(layout.p2m_tables->count(1), std::uint64_t{1} << 14);
    EXPECT_EQ(layout.p2m_tables->count(2), 32U);
}

TEST(Layout, FitsIntoJustEnoughFramesAndNotIntoFewer) {
    for (auto const& make : {+[](std::uint64_t n) { return linux_request(n, 123456); },
                             +[](std::uint64_t n) { return plain_request(n, 123456); }}) {
        std::uint64_t least = 1;
        while (!plan_layout(make(least)))
            ++least;
        plan(make(least));
        EXPECT_EQ(plan_layout(make(least - 1)).error().error, Error::no_memory);
        auto const layout = plan_layout(make(least)).value();
        auto const last =
            layout.p2m_tables ? layout.p2m_tables->first() + layout.p2m_tables->frames() : layout.mapped_end;
        EXPECT_EQ(last.raw(), least);
    }
}

TEST(Layout, RefusesADomainThatIsTooSmallForItsParts) {
    EXPECT_EQ(plan_layout(linux_request(0)).error().error, Error::no_memory);
    EXPECT_EQ(plan_layout(linux_request(0x4a00)).error().error, Error::no_memory);
    EXPECT_EQ(plan_layout(linux_request(512 * kMiB, std::uint64_t{512} << 20)).error().error, Error::no_memory);
    EXPECT_EQ(plan_layout(linux_request(512 * kMiB, ~std::uint64_t{0})).error().error, Error::no_memory);
    EXPECT_EQ(plan_layout(linux_request((std::uint64_t{1} << 40) + 1)).error().error, Error::no_memory);
    auto kernel = linux_request();
    kernel.kernel.end = Pfn{std::uint64_t{1} << 52};
    EXPECT_EQ(plan_layout(kernel).error().error, Error::no_memory);
}

TEST(Layout, RefusesAddressesThatCannotBe) {
    for (std::uint64_t const base :
         {std::uint64_t{0x1234}, std::uint64_t{0x800000000000}, std::uint64_t{0x7ffffff00000},
          std::uint64_t{0xffff800000000000}, std::uint64_t{0xffff87ffffc00000}, std::uint64_t{0xffff7fffffc00000},
          ~std::uint64_t{0} - 0xfffff}) {
        auto request = plain_request();
        request.virt_base = Vaddr{base};
        auto const layout = plan_layout(request);
        ASSERT_FALSE(layout) << std::hex << base;
        EXPECT_EQ(layout.error().error, Error::invalid) << std::hex << base;
    }
}

TEST(Layout, RefusesAP2mAddressThatCannotBe) {
    for (std::uint64_t const at :
         {std::uint64_t{0x8000000001}, std::uint64_t{0x7ffffffff000}, std::uint64_t{0xffff800000000000},
          std::uint64_t{0xffffffff00000000}, std::uint64_t{0xffffff8000000000}, ~std::uint64_t{0xfff}}) {
        auto request = linux_request();
        request.init_p2m = Vaddr{at};
        EXPECT_EQ(plan_layout(request).ok(), false) << std::hex << at;
    }
}

TEST(Layout, IsConsistentOrRefusedWhateverIsAsked) {
    std::mt19937_64 random{5};
    std::array<std::uint64_t, 8> const bases{
        0,      0x100000,           0x7f0000000000,    0xffff880000000000, 0xffffffff80000000,
        0x4000, 0xffffffffffc00000, 0x00007ffffffff000};
    unsigned accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        auto const first = random() % 0x2000;
        LayoutRequest const request{.nr_pages = random() % 0x40000,
                                    .kernel = pfns(first, first + random() % 0x4000),
                                    .initrd_bytes = random() % 3 == 0 ? 0 : random() % (64 << 20),
                                    .virt_base = Vaddr{bases[random() % bases.size()]},
                                    .init_p2m = random() % 2 == 0 ? std::optional{Vaddr{bases[random() % bases.size()]}}
                                                                  : std::nullopt,
                                    .initrd_outside = random() % 2 == 0};
        if (auto const layout = plan_layout(request)) {
            ++accepted;
            expect_consistent(request, layout.value());
        }
        if (testing::Test::HasFailure())
            return;
    }
    EXPECT_GT(accepted, 1000U);
}

} // namespace
