/// After all that, the system works: memory, tables, events, time, a second vCPU.
#include "lib/events.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "lib/vcpu.hpp"
#include "sandbox.hpp"

using namespace lib;

TEST("afterwards, pages can be mapped, made tables, and be memory again") {
    Window const window = make_window();
    Page const page = fresh_page();
    CHECK_EQ(window.set(0, entry(page.frame(), kWritable)), 0);
    window.at(0) = 2;
    CHECK_EQ(page[0], 2);
    CHECK_EQ(window.set(0, 0), 0);
    page.make_read_only();
    CHECK_EQ(pin(1, page.frame()), 0);
    CHECK_EQ(unpin(page.frame()), 0);
    CHECK_EQ(page.make_writable(), 0);
}

TEST("afterwards, events come in, and timers fire") {
    close_ports();
    auto const port = static_cast<Port>(bind_virq(VIRQ_TIMER));
    set_masked(port, false);
    forget_taken(port);
    vcpu_set_singleshot_timer_t const alarm{.timeout_abs_ns = now() + 2 * kMillisecond, .flags = 0};
    CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &alarm), 0);
    sleep_until([&] { return taken(port) != 0; });
    CHECK_EQ(close(port), 0);
}

TEST("afterwards, an event that the guest sends itself comes in") {
    auto const port = static_cast<Port>(bind_ipi(0));
    set_masked(port, false);
    forget_taken(port);
    {
        EventsIn const in;
        CHECK_EQ(send(port), 0);
    }
    CHECK_EQ(taken(port), 1);
    CHECK_EQ(close(port), 0);
}

TEST("afterwards, user mode runs") {
    use_user_mode();
    CHECK_EQ(user_trap_of([] {}).vector, kSystemCall);
}

TEST("afterwards, a second vCPU can be started") {
    SKIP_UNLESS(vcpus() > 1, "the domain has one vCPU");
    unsigned ran = 0;
    run_on(1, [&] { ran = this_vcpu().id; });
    CHECK_EQ(ran, 1);
}
