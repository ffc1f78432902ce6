#include "build/table_area.hpp"

#include <set>

#include <gtest/gtest.h>

namespace {

using base::Pfn;
using base::Vaddr;
using build::TableArea;

constexpr std::uint64_t k2M = 2 << 20;
constexpr std::uint64_t k1G = 1 << 30;

TEST(TableArea, CountsOneTableForEachPieceItTouches) {
    TableArea const small{Pfn{0}, Vaddr{0}, Vaddr{k2M - 1}, TableArea::Root::first};
    EXPECT_EQ(small.frames(), 4U);
    TableArea const straddling{Pfn{0}, Vaddr{k1G - 4096}, Vaddr{k1G + 4095}, TableArea::Root::elsewhere};
    EXPECT_EQ(straddling.count(1), 2U);
    EXPECT_EQ(straddling.count(2), 2U);
    EXPECT_EQ(straddling.count(3), 1U);
    EXPECT_EQ(straddling.frames(), 5U);
}

TEST(TableArea, ReachesTheEndOfTheAddressSpace) {
    TableArea const top{Pfn{10}, Vaddr{0xffffffff80000000}, Vaddr{~std::uint64_t{0}}, TableArea::Root::first};
    EXPECT_EQ(top.count(1), 1024U);
    EXPECT_EQ(top.count(2), 2U);
    EXPECT_EQ(top.count(3), 1U);
    EXPECT_EQ(top.table(top.last(), 1), top.first() + (top.frames() - 1));
}

TEST(TableArea, GivesEachTableAFrameOfItsOwn) {
    Vaddr const start{3 * k1G - 5 * k2M};
    TableArea const area{Pfn{7}, start, start + (k1G + 9 * k2M - 1), TableArea::Root::first};
    std::set<Pfn> frames{area.l4()};
    for (unsigned level = 1; level <= 3; ++level)
        for (std::uint64_t i = 0; i < area.count(level); ++i)
            EXPECT_TRUE(frames.insert(area.table(start + i * TableArea::span_of(level), level)).second);
    EXPECT_EQ(frames.size(), area.frames());
    EXPECT_EQ(*frames.begin(), area.first());
    EXPECT_EQ(*frames.rbegin(), area.first() + (area.frames() - 1));
}

} // namespace
