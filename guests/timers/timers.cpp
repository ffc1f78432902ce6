/// Time: the clock in each vCPU's words, its timers, and what the hypervisor says of where its time went (docs/abi.md
/// §5.6).
#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

/// VIRQ_TIMER, bound and counted.
struct Timer {
    Port port = static_cast<Port>(bind_virq(VIRQ_TIMER));

    Timer() {
        vcpu_op(VCPUOP_stop_periodic_timer, 0);
        vcpu_op(VCPUOP_stop_singleshot_timer, 0);
        clear_pending(port); // of the tick with which a domain may begin
        set_masked(port, false);
        forget_taken(port);
    }
    ~Timer() {
        vcpu_op(VCPUOP_stop_singleshot_timer, 0);
        close(port);
    }
    Timer(Timer const&) = delete;
    Timer& operator=(Timer const&) = delete;

    static std::int64_t set(std::uint64_t when) {
        vcpu_set_singleshot_timer_t const alarm{.timeout_abs_ns = when, .flags = 0};
        return vcpu_op(VCPUOP_set_singleshot_timer, 0, &alarm);
    }
    [[nodiscard]] unsigned fired() const { return taken(port); }
    /// Lets events in until it has fired so often; a minute is too long.
    [[nodiscard]] bool fires(unsigned times) const {
        EventsIn const in;
        for (std::uint64_t const end = now() + 60'000 * kMillisecond; fired() < times;)
            if (now() > end)
                return false;
        return true;
    }
};

/// Lets events in until then, without sleeping.
void spin_until(std::uint64_t when) {
    EventsIn const in;
    while (now() < when) {
    }
}

} // namespace

TEST("the clock runs, and never backwards") {
    std::uint64_t last = now();
    CHECK(last > 0);
    for (unsigned i = 0; i < 100'000; ++i) {
        std::uint64_t const next = now();
        if (next < last)
            return fail(__FILE_NAME__, __LINE__, "next >= last", next, last);
        last = next;
    }
}

TEST("a vCPU's clock is valid and not being changed while it runs") {
    vcpu_time_info_t const volatile& time = this_vcpu().info->time;
    CHECK(time.tsc_to_system_mul != 0);
    CHECK(time.tsc_timestamp != 0);
    CHECK_EQ(time.version & 1, 0);
    CHECK(time.version != 0);
}

TEST("the wall clock has been set, and is of this century") {
    shared_info_t const volatile& words = shared();
    CHECK_EQ(words.wc_version & 1, 0);
    std::uint64_t const seconds = std::uint64_t{words.wc_sec_hi} << 32 | words.wc_sec;
    CHECK(seconds > 1'600'000'000 && seconds < 4'200'000'000);
    CHECK(words.wc_nsec < 1'000'000'000);
}

TEST("a singleshot timer fires once, not before its time") {
    Timer const timer;
    std::uint64_t const when = now() + 5 * kMillisecond;
    CHECK_EQ(Timer::set(when), 0);
    CHECK(timer.fires(1));
    CHECK(now() >= when);
    spin_until(now() + 20 * kMillisecond);
    CHECK_EQ(timer.fired(), 1);
}

TEST("a timer set for the past fires at once") {
    Timer const timer;
    CHECK_EQ(Timer::set(1), 0);
    CHECK(timer.fires(1));
    CHECK_EQ(Timer::set(now() - kMillisecond), 0);
    CHECK(timer.fires(2));
}

TEST("a timer can be stopped, and set anew: there is one a vCPU") {
    Timer const timer;
    CHECK_EQ(Timer::set(now() + 200 * kMillisecond), 0);
    CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, 0), 0);
    spin_until(now() + 250 * kMillisecond);
    CHECK_EQ(timer.fired(), 0);
    CHECK_EQ(Timer::set(now() + 100'000 * kMillisecond), 0);
    CHECK_EQ(Timer::set(now() + 2 * kMillisecond), 0);
    CHECK(timer.fires(1));
}

TEST("a timer is set by its own vCPU only; a pointer that leads nowhere is refused") {
    vcpu_set_singleshot_timer_t const alarm{.timeout_abs_ns = 1, .flags = 0};
    CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 100, &alarm), kENOENT);
    CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, reinterpret_cast<void*>(0x1000)), kEFAULT);
    if (vcpus() > 1) {
        CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 1, &alarm), kEINVAL);
        CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, 1), kEINVAL);
    }
}

TEST("set_timer_op is the same timer, and 0 stops it") {
    Timer const timer;
    CHECK_EQ(set_timer_op(now() + 2 * kMillisecond), 0);
    CHECK(timer.fires(1));
    CHECK_EQ(set_timer_op(now() + 200 * kMillisecond), 0);
    CHECK_EQ(set_timer_op(0), 0);
    spin_until(now() + 250 * kMillisecond);
    CHECK_EQ(timer.fired(), 1);
}

TEST("a blocked vCPU sleeps until its timer, and wakes for it") {
    Timer const timer;
    std::uint64_t const when = now() + 10 * kMillisecond;
    CHECK_EQ(Timer::set(when), 0);
    sleep_until([&] { return timer.fired() != 0; });
    CHECK(now() >= when);
    CHECK_EQ(timer.fired(), 1);
}

TEST("a poll for the timer's port ends when it fires, though the port is masked") {
    Timer const timer;
    set_masked(timer.port, true);
    std::uint64_t const when = now() + 5 * kMillisecond;
    CHECK_EQ(Timer::set(when), 0);
    CHECK_EQ(poll(&timer.port, 1, when + 60'000 * kMillisecond), 0);
    CHECK(is_pending(timer.port));
    CHECK(now() >= when && now() < when + 60'000 * kMillisecond);
    CHECK_EQ(timer.fired(), 0);
}

TEST("a periodic timer fires again and again while its vCPU runs, until it is stopped; its period is a millisecond at "
     "least") {
    Timer const timer;
    vcpu_set_periodic_timer_t period{.period_ns = kMillisecond / 2};
    CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &period), kEINVAL);
    period.period_ns = 10 * kMillisecond;
    CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &period), 0);
    std::uint64_t const start = now();
    CHECK(timer.fires(5)); // running: it does not tick for a vCPU that sleeps
    CHECK(now() >= start + 40 * kMillisecond);
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0), 0);
    unsigned const fired = timer.fired();
    spin_until(now() + 30 * kMillisecond);
    CHECK(timer.fired() <= fired + 1); // one may have been on its way
}

TEST("the hypervisor says where a vCPU's time went: the parts make the whole, and a sleep is time blocked") {
    static vcpu_runstate_info_t area;
    vcpu_register_runstate_memory_area_t request{};
    request.addr.p = reinterpret_cast<std::uint64_t>(&area);
    CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &request), 0);
    vcpu_runstate_info_t const volatile& runstate = area;
    auto const sum = [&] { return runstate.time[0] + runstate.time[1] + runstate.time[2] + runstate.time[3]; };

    Timer const timer;
    std::uint64_t const sum_before = sum(), entry_before = runstate.state_entry_time;
    std::uint64_t const blocked_before = runstate.time[RUNSTATE_blocked];
    CHECK_EQ(runstate.state, RUNSTATE_running);
    Timer::set(now() + 20 * kMillisecond);
    sleep_until([&] { return timer.fired() != 0; });
    CHECK_EQ(runstate.state, RUNSTATE_running);
    CHECK(runstate.time[RUNSTATE_blocked] > blocked_before);
    CHECK(runstate.state_entry_time > entry_before);
    CHECK(runstate.state_entry_time <= now());
    // What has been counted is the time from one change of state to the other.
    CHECK_EQ(sum() - sum_before, runstate.state_entry_time - entry_before);
}

TEST("a runstate area that is not there is skipped, and nobody is hurt") {
    vcpu_register_runstate_memory_area_t request{};
    request.addr.p = 0x1000;
    vcpu_op(VCPUOP_register_runstate_memory_area, 0, &request);
    Timer const timer;
    Timer::set(now() + 2 * kMillisecond);
    sleep_until([&] { return timer.fired() != 0; });
    CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 100, &request), kENOENT);
}

TEST("a vCPU's clock can be had in a place of the guest's own as well, and goes on there") {
    static vcpu_time_info_t area;
    vcpu_register_time_memory_area_t request{};
    request.addr.p = word(&area);
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &request), 0);
    vcpu_time_info_t const volatile& copy = area;
    vcpu_time_info_t const volatile& clock = this_vcpu().info->time;
    CHECK_EQ(copy.version & 1, 0);
    CHECK(copy.tsc_to_system_mul != 0);
    CHECK_EQ(copy.tsc_to_system_mul, clock.tsc_to_system_mul);
    CHECK_EQ(copy.tsc_shift, clock.tsc_shift);
    // It is brought up to date with the other one: both say the same time.
    Timer timer;
    for (unsigned i = 0; i < 3; ++i) {
        CHECK_EQ(Timer::set(now() + kMillisecond), 0);
        sleep_until([&] { return timer.fired() > i; });
        CHECK_EQ(copy.tsc_timestamp, clock.tsc_timestamp);
        CHECK_EQ(copy.system_time, clock.system_time);
    }
    request.addr.p = 0xffff'8300'0000'0000;
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &request), kEFAULT);
    request.addr.p = 0x1000; // not there: it is skipped
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &request), 0);
    request.addr.p = 0;
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &request), 0);
}

TEST("two watchdogs are there to be set, set anew and given back") {
    auto const set = [](std::uint32_t id, std::uint32_t seconds) {
        sched_watchdog_t const request{.id = id, .timeout = seconds};
        return sched_op(SCHEDOP_watchdog, &request);
    };
    constexpr std::uint32_t kLong = 3600;
    CHECK_EQ(set(1, kLong), kEINVAL);
    CHECK_EQ(set(0, kLong), 1);
    CHECK_EQ(set(0, kLong), 2);
    CHECK_EQ(set(0, kLong), kENOSPC);
    CHECK_EQ(set(2, kLong), 0);
    CHECK_EQ(set(1, 0), 0);
    CHECK_EQ(set(1, kLong), kEINVAL);
    CHECK_EQ(set(2, 0), 0);
    CHECK_EQ(set(3, kLong), kEINVAL);
}
