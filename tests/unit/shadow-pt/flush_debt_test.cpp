#include "shadow_pt/flush_debt.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using base::Vaddr;
using shadow_pt::FlushDebt;
using shadow_pt::FlushWork;
using shadow_pt::VcpuSet;
using testing::ElementsAre;

TEST(FlushDebt, StartsWithNothing) {
    FlushDebt const debt;
    EXPECT_TRUE(debt.empty());
}

TEST(FlushDebt, RemembersEachPageOnce) {
    FlushDebt debt;
    debt.add_local_page(Vaddr{0x1234});
    debt.add_local_page(Vaddr{0x1fff});
    debt.add_local_page(Vaddr{0x2000});
    auto const content = debt.take();
    EXPECT_THAT(content.local.pages(), ElementsAre(Vaddr{0x1000}, Vaddr{0x2000}));
    EXPECT_FALSE(content.local.all());
    EXPECT_TRUE(content.remote.nothing());
    EXPECT_TRUE(debt.empty()) << "whoever takes it pays";
}

TEST(FlushDebt, ManyPagesAreOneFullFlush) {
    FlushDebt debt;
    for (std::uint64_t page = 0; page <= FlushWork::kMostPages; ++page)
        debt.add_local_page(Vaddr{page << 12});
    auto const content = debt.take();
    EXPECT_TRUE(content.local.all());
    EXPECT_TRUE(content.local.pages().empty());
}

TEST(FlushDebt, AFullFlushSwallowsPages) {
    FlushDebt debt;
    debt.add_local_page(Vaddr{0x1000});
    debt.add_local_all();
    debt.add_local_page(Vaddr{0x2000});
    EXPECT_TRUE(debt.take().local.pages().empty());
}

TEST(FlushDebt, MergesWhatAMulticallOwes) {
    VcpuSet first;
    first.set(0);
    VcpuSet second;
    second.set(3);
    FlushDebt debt;
    debt.add_page(first, Vaddr{0x1000});
    FlushDebt more;
    more.add_page(second, Vaddr{0x2000});
    more.add_local_all();
    debt.merge(std::move(more));
    auto const content = debt.take();
    EXPECT_THAT(content.remote.pages(), ElementsAre(Vaddr{0x1000}, Vaddr{0x2000}));
    EXPECT_TRUE(content.vcpus.test(0) && content.vcpus.test(3) && !content.vcpus.test(1));
    EXPECT_TRUE(content.local.all());
}

TEST(FlushDebt, MovesLeavingNothing) {
    FlushDebt debt;
    debt.add_all(FlushDebt::everyone());
    FlushDebt moved{std::move(debt)};
    EXPECT_TRUE(moved.take().remote.all());
}

TEST(FlushDebtDeathTest, ADebtThatNobodyPaysIsABug) {
    EXPECT_DEATH(
        {
            FlushDebt debt;
            debt.add_local_all();
        },
        "empty");
}

} // namespace
