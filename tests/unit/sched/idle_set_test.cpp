#include "sched/idle_set.hpp"

#include <gtest/gtest.h>

#include "simulation.hpp"

namespace sched_test {
namespace {

TEST(IdleSet, ACpuIsTakenOutOnce) {
    sched::IdleSet idle;
    EXPECT_FALSE(idle.take(CpuId{70}));
    idle.add(CpuId{70});
    EXPECT_TRUE(idle.take(CpuId{70}));
    EXPECT_FALSE(idle.take(CpuId{70}));
}

TEST(IdleSet, GivesOnlyCpusThatAreAskedFor) {
    sched::IdleSet idle;
    idle.add(CpuId{3});
    idle.add(CpuId{255});
    EXPECT_EQ(idle.take_any(only({4, 5})), std::nullopt);
    EXPECT_EQ(idle.take_any(only({4, 255})), CpuId{255});
    EXPECT_EQ(idle.take_any(sched::anywhere()), CpuId{3});
    EXPECT_EQ(idle.take_any(sched::anywhere()), std::nullopt);
}

} // namespace
} // namespace sched_test
