/// tern_op: when a domain ran, as one who measures a downtime is told (abi/tern.h).
#include "abi/tern.h"
#include "abi/toolstack.hpp"
#include "unit/hypercall/kernel.hpp"
#include "unit/hypercall/second_domain.hpp"

namespace {

using namespace test;

class RunStamps : public Kernel {
  protected:
    std::int64_t ask(tern_stamps& stamps) {
        auto const answer = call(__HYPERVISOR_tern_op, TERN_get_stamps, put(stamps));
        stamps = get<tern_stamps>();
        return answer;
    }
    tern_stamps of(std::uint16_t domain) {
        tern_stamps stamps{};
        stamps.domain = domain;
        EXPECT_EQ(ask(stamps), 0);
        return stamps;
    }
    std::uint64_t now() { return hypervisor.system->now(); }
    void milliseconds_go_by(std::uint64_t count) { hypervisor.machine.tsc += count * hypervisor.machine.tsc_khz; }

    SecondDomain other{hypervisor};
};

TEST_F(RunStamps, TheClocksAreOfOneMoment) {
    xen_platform_op_t op{};
    op.cmd = XENPF_settime64;
    op.interface_version = XENPF_INTERFACE_VERSION;
    op.u.settime64 = {.secs = 2'000'000'000, .nsecs = 999'000'000, .mbz = 0, .system_time = 5'000'000'000};
    ASSERT_EQ(call(__HYPERVISOR_platform_op, put(op)), 0);
    milliseconds_go_by(6'500);
    auto const told = of(0);
    EXPECT_EQ(told.now, hypervisor.system->clock.now(told.tsc));
    EXPECT_EQ(told.tsc_khz, hypervisor.machine.tsc_khz);
    EXPECT_EQ(told.wall_seconds * timing::kNanosecondsPerSecond + told.wall_nanoseconds + 5'000'000'000,
              2'000'000'000 * timing::kNanosecondsPerSecond + 999'000'000 + told.now);
    EXPECT_LT(told.wall_nanoseconds, timing::kNanosecondsPerSecond);
}

TEST_F(RunStamps, ADomainThatIsPausedHasRunUntilItsVcpuLeftTheGuest) {
    milliseconds_go_by(1); // the moment 0 stands for never
    other.stop();
    other.go();
    auto const running = of(1);
    EXPECT_NE(running.first_ran, 0U);
    EXPECT_EQ(running.paused_since, 0U);
    EXPECT_EQ(running.shut_down_since, 0U);

    milliseconds_go_by(10);
    auto const before = now();
    domain::pause(*other.domain);
    milliseconds_go_by(3); // until its CPU hears of it
    auto const off = now();
    EXPECT_THROW(other.call(__HYPERVISOR_xen_version, XENVER_version), Idle);
    milliseconds_go_by(20);
    auto const paused = of(1);
    EXPECT_GE(paused.paused_since, before);
    EXPECT_LT(paused.paused_since, off);
    EXPECT_GE(paused.last_ran, off);
    EXPECT_LT(paused.last_ran, off + 1'000'000);
    EXPECT_EQ(paused.first_ran, running.first_ran);
}

TEST_F(RunStamps, WhatGoesOnHasRunFirstWhenAVcpuEnters) {
    other.stop();
    milliseconds_go_by(5);
    ASSERT_TRUE(domain::unpause(*other.domain).ok());
    EXPECT_EQ(of(1).first_ran, 0U) << "it may, but has not yet";
    EXPECT_EQ(of(1).paused_since, 0U);
    milliseconds_go_by(5);
    domain::pause(*other.domain);
    auto const before = now();
    other.go();
    auto const ran = of(1).first_ran;
    EXPECT_GE(ran, before);
    milliseconds_go_by(5);
    other.call(__HYPERVISOR_xen_version, XENVER_version);
    EXPECT_EQ(of(1).first_ran, ran) << "and later it is not the first time";
}

TEST_F(RunStamps, AGuestThatWaitsLeftWhenItBeganTo) {
    milliseconds_go_by(10);
    auto const before = now();
    EXPECT_THROW(other.call(__HYPERVISOR_sched_op, SCHEDOP_block, 0), Idle);
    milliseconds_go_by(50);
    domain::pause(*other.domain);
    EXPECT_THROW(other.enter(), Idle); // it rested there
    auto const told = of(1);
    EXPECT_GE(told.last_ran, before);
    EXPECT_LT(told.last_ran, before + 1'000'000);
}

TEST_F(RunStamps, AShutdownIsStampedAndItsEnd) {
    sched_shutdown_t const why{.reason = SHUTDOWN_suspend};
    milliseconds_go_by(10);
    auto const before = now();
    EXPECT_THROW(other.call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, other.put(why)), Idle);
    auto told = of(1);
    EXPECT_GE(told.shut_down_since, before);
    EXPECT_GE(told.last_ran, told.shut_down_since);
    EXPECT_EQ(told.paused_since, 0U);
    domain::resume(*other.domain);
    told = of(1);
    EXPECT_EQ(told.shut_down_since, 0U);
    EXPECT_EQ(told.first_ran, 0U);
    other.enter();
    EXPECT_NE(of(1).first_ran, 0U);
}

TEST_F(RunStamps, AGuestsClockStandsStillFromWhenItStopsItsTimerUntilItSetsOne) {
    sched_shutdown_t const why{.reason = SHUTDOWN_suspend};
    auto const set = [&] {
        vcpu_set_singleshot_timer_t const timer{.timeout_abs_ns = now() + 1'000'000'000, .flags = 0};
        EXPECT_EQ(other.call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, other.put(timer)), 0);
    };
    milliseconds_go_by(10);
    set();
    auto const first = of(1).timer_set;
    EXPECT_NE(first, 0U);
    milliseconds_go_by(10);
    set();
    EXPECT_EQ(of(1).timer_set, first) << "it is when it first did";
    EXPECT_EQ(of(1).timer_stopped, 0U);
    auto const before = now();
    EXPECT_EQ(other.call(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 0), 0);
    milliseconds_go_by(3);
    EXPECT_THROW(other.call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, other.put(why)), Idle);
    auto told = of(1);
    EXPECT_GE(told.timer_stopped, before);
    EXPECT_LT(told.timer_stopped, told.shut_down_since);
    domain::resume(*other.domain);
    EXPECT_EQ(of(1).timer_set, 0U);
    milliseconds_go_by(20);
    other.enter();
    set();
    told = of(1);
    EXPECT_EQ(told.timer_stopped, 0U);
    EXPECT_GT(told.timer_set, first);
}

TEST_F(RunStamps, WhoIsNotThereIsRefused) {
    tern_stamps stamps{};
    stamps.domain = 2;
    EXPECT_EQ(ask(stamps), kEsrch);
    EXPECT_EQ(call(__HYPERVISOR_tern_op, TERN_get_stamps, kNowhere), kEfault);
    EXPECT_EQ(other.call(__HYPERVISOR_tern_op, TERN_get_stamps, SecondDomain::kScratch), kEperm);
}

} // namespace
