#include "timing/runstate.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

namespace {

using timing::RunState;
using timing::Runstate;

std::uint64_t total(vcpu_runstate_info_t const& info) {
    return std::accumulate(std::begin(info.time), std::end(info.time), std::uint64_t{0});
}

TEST(Runstate, CountsTheTimeInEachState) {
    Runstate runstate;
    runstate.enter(RunState::runnable, 100);
    runstate.enter(RunState::running, 130);
    runstate.enter(RunState::blocked, 180);
    runstate.enter(RunState::running, 200);
    auto const info = runstate.at_last_change();
    EXPECT_EQ(info.state, RUNSTATE_running);
    EXPECT_EQ(info.state_entry_time, 200u);
    EXPECT_EQ(info.time[RUNSTATE_offline], 100u);
    EXPECT_EQ(info.time[RUNSTATE_runnable], 30u);
    EXPECT_EQ(info.time[RUNSTATE_running], 50u);
    EXPECT_EQ(info.time[RUNSTATE_blocked], 20u);
}

TEST(Runstate, CountsTheCurrentStateUpToNowWhenAsked) {
    Runstate runstate;
    runstate.enter(RunState::running, 100);
    EXPECT_EQ(runstate.up_to(175).time[RUNSTATE_running], 75u);
    EXPECT_EQ(runstate.up_to(175).state_entry_time, 100u);
    EXPECT_EQ(runstate.up_to(50).time[RUNSTATE_running], 0u); // asked by a CPU a little behind
    EXPECT_EQ(runstate.at_last_change().time[RUNSTATE_running], 0u);
}

TEST(Runstate, TheTimesAddUpToSystemTimeEvenIfCpusDisagreeALittle) {
    Runstate runstate;
    std::uint64_t now = 0;
    for (int i = 0; i < 1000; ++i) {
        now += 17;
        runstate.enter(static_cast<RunState>(i % 4), i % 5 == 0 ? now - 10 : now);
    }
    EXPECT_EQ(total(runstate.up_to(now)), now);
}

TEST(Runstate, AReaderOnAnotherCpuNeverSeesHalfAChange) {
    Runstate runstate;
    std::atomic<bool> stop{false};
    std::thread writer{[&] {
        for (std::uint64_t now = 1; !stop.load(std::memory_order_relaxed); ++now)
            runstate.enter(static_cast<RunState>(now % 4), now);
    }};
    bool whole = true;
    for (int i = 0; i < 500'000; ++i) {
        auto const info = runstate.at_last_change();
        whole = whole && total(info) == info.state_entry_time &&
                static_cast<std::uint64_t>(info.state) == (info.state_entry_time == 0 ? 3 : info.state_entry_time % 4);
    }
    stop.store(true);
    writer.join();
    EXPECT_TRUE(whole);
}

/// A guest's area, and what stood in it after each write.
struct Area {
    auto writer() {
        return [this](std::size_t offset, std::span<std::byte const> bytes) {
            if (writes_left-- == 0)
                return false;
            std::memcpy(reinterpret_cast<std::byte*>(&info) + offset, bytes.data(), bytes.size());
            seen.push_back(info);
            return true;
        };
    }
    vcpu_runstate_info_t info{};
    std::vector<vcpu_runstate_info_t> seen;
    int writes_left = -1;
};

vcpu_runstate_info_t some_info() { return {.state = RUNSTATE_running, .state_entry_time = 1000, .time = {1, 2, 3, 4}}; }

TEST(RunstateArea, IsWrittenAtOnceWithoutTheFlag) {
    Area area;
    EXPECT_TRUE(timing::publish(some_info(), false, area.writer()));
    ASSERT_EQ(area.seen.size(), 1u);
    EXPECT_EQ(area.info.state_entry_time, 1000u);
    EXPECT_EQ(area.info.time[3], 4u);
}

TEST(RunstateArea, WithTheFlagEveryHalfWrittenStateIsMarked) {
    Area area;
    area.info = {.state = RUNSTATE_blocked, .state_entry_time = 900, .time = {9, 9, 9, 9}};
    EXPECT_TRUE(timing::publish(some_info(), true, area.writer()));
    ASSERT_EQ(area.seen.size(), 3u);
    EXPECT_EQ(area.seen[0].state_entry_time, 1000 | XEN_RUNSTATE_UPDATE);
    EXPECT_EQ(area.seen[0].time[0], 9u); // old, and marked
    EXPECT_EQ(area.seen[1].state_entry_time, 1000 | XEN_RUNSTATE_UPDATE);
    EXPECT_EQ(area.seen[1].time[0], 1u);
    EXPECT_EQ(area.info.state_entry_time, 1000u);
    EXPECT_EQ(area.info.time[3], 4u);
}

TEST(RunstateArea, AnAreaThatIsGoneEndsTheUpdate) {
    for (int possible = 0; possible < 3; ++possible) {
        Area area;
        area.writes_left = possible;
        EXPECT_FALSE(timing::publish(some_info(), true, area.writer()));
        EXPECT_EQ(area.seen.size(), static_cast<std::size_t>(possible));
    }
    Area area;
    area.writes_left = 0;
    EXPECT_FALSE(timing::publish(some_info(), false, area.writer()));
}

} // namespace
