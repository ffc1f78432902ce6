/// How vCPUs reach one another: events, non-maskable interrupts; and each one's own timer.
#include "lib/trap.hpp"
#include "other.hpp"

using namespace lib;

namespace {

Port ipi_for(unsigned vcpu) {
    auto const port = static_cast<Port>(bind_ipi(vcpu));
    clear_pending(port);
    set_masked(port, false);
    forget_taken(port);
    return port;
}

} // namespace

TEST("an IPI reaches the vCPU that it is for, while that runs") {
    SKIP_UNLESS_TWO();
    Port const to_other = ipi_for(kOther), to_self = ipi_for(0);
    bool in_time = false;
    auto spin = [&] {
        EventsIn const in;
        in_time = wait_until([&] { return taken(to_other) == 3; });
        send(to_self);
    };
    start_on(kOther, spin);
    EventsIn const in;
    for (unsigned i = 1; i <= 3; ++i) {
        CHECK_EQ(send(to_other), 0);
        CHECK(wait_until([&] { return taken(to_other) == i; }));
    }
    wait_for(kOther);
    CHECK(in_time);
    CHECK(wait_until([&] { return taken(to_self) == 1; }));
    close(to_other);
    close(to_self);
}

TEST("an IPI interrupts a vCPU that never comes to the hypervisor by itself, in the kernel and in user mode") {
    SKIP_UNLESS_TWO();
    Port const ipi = ipi_for(kOther);
    static bool volatile spinning;
    spinning = false;
    auto spin = [&] {
        {
            EventsIn const in;
            spinning = true;
            while (taken(ipi) < 1) {
            }
        }
        use_user_mode();
        user_trap_of([&] {
            while (taken(ipi) < 2) {
            }
        });
    };
    start_on(kOther, spin);
    CHECK(wait_until([] { return spinning; }));
    send(ipi);
    CHECK(wait_until([&] { return taken(ipi) == 1; }));
    send(ipi);
    wait_for(kOther);
    CHECK_EQ(taken(ipi), 2);
    close(ipi);
}

TEST("an IPI wakes a vCPU that is blocked") {
    SKIP_UNLESS_TWO();
    Port const ipi = ipi_for(kOther);
    for (unsigned i = 0; i < 50; ++i) {
        forget_taken(ipi);
        auto sleep = [&] { sleep_until([&] { return taken(ipi) != 0; }); };
        start_on(kOther, sleep);
        for (unsigned yields = 0; yields < i % 5; ++yields) // now and then before it sleeps, now and then after
            sched_op(SCHEDOP_yield);
        send(ipi);
        wait_for(kOther);
    }
    close(ipi);
}

TEST("a send ends a poll, though the port is masked") {
    SKIP_UNLESS_TWO();
    Port const ipi = ipi_for(kOther);
    set_masked(ipi, true);
    for (unsigned i = 0; i < 50; ++i) {
        clear_pending(ipi);
        auto sleep = [&] { poll(&ipi, 1); };
        start_on(kOther, sleep);
        for (unsigned yields = 0; yields < i % 5; ++yields)
            sched_op(SCHEDOP_yield);
        send(ipi);
        wait_for(kOther);
        if (!is_pending(ipi))
            return fail(__FILE_NAME__, __LINE__, "is_pending(ipi)");
    }
    set_masked(ipi, false);
    close(ipi);
}

TEST("a port that is moved to another vCPU comes in there, with what is pending on it") {
    SKIP_UNLESS_TWO();
    auto const here = static_cast<Port>(alloc_unbound()), there = static_cast<Port>(bind_interdomain(here));
    set_masked(here, false);
    clear_pending(there);
    clear_pending(here);
    forget_taken(here);
    evtchn_bind_vcpu_t request{.port = here, .vcpu = kOther};
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &request), 0);
    this_vcpu().info->evtchn_upcall_pending = 0;
    unsigned by_other = 0;
    auto take = [&] {
        EventsIn const in;
        wait_until([&] { return taken(here) == 1; });
        by_other = taken(here);
    };
    start_on(kOther, take);
    send(there);
    wait_for(kOther);
    CHECK_EQ(by_other, 1);
    CHECK_EQ(this_vcpu().info->evtchn_upcall_pending, 0);
    close(there);
    close(here);
}

TEST("a non-maskable interrupt reaches another vCPU") {
    SKIP_UNLESS_TWO();
    static bool volatile ready, hit;
    ready = false;
    hit = false;
    auto spin = [] {
        Handler const before = set_handler([](Trap& trap) {
            if (trap.vector == kNmi)
                hit = true;
            return trap.vector == kNmi;
        });
        ready = true;
        while (!hit) {
        }
        set_handler(before);
    };
    start_on(kOther, spin);
    CHECK(wait_until([] { return ready; }));
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, kOther), 0);
    wait_for(kOther);
    CHECK(hit);
}

TEST("each vCPU has a timer of its own") {
    SKIP_UNLESS_TWO();
    bool woke = false;
    run_on(kOther, [&] {
        auto const port = static_cast<Port>(bind_virq(VIRQ_TIMER, kOther));
        set_masked(port, false);
        forget_taken(port);
        vcpu_op(VCPUOP_stop_periodic_timer, kOther);
        vcpu_set_singleshot_timer_t const alarm{.timeout_abs_ns = now() + 3 * kMillisecond, .flags = 0};
        vcpu_op(VCPUOP_set_singleshot_timer, kOther, &alarm);
        sleep_until([&] { return taken(port) != 0; });
        woke = now() >= alarm.timeout_abs_ns;
        close(port);
    });
    CHECK(woke);
}
