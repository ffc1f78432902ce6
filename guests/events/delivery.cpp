/// What sending does to the shared words, and how the callback is reached (docs/abi.md §5.1, §5.2).
#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

/// Two ends of one channel, both of this vCPU; nothing is pending.
struct Pair {
    Port here = static_cast<Port>(alloc_unbound());
    Port there = static_cast<Port>(bind_interdomain(here));

    Pair() {
        for (Port const port : {here, there}) {
            clear_pending(port);
            set_masked(port, false);
            forget_taken(port);
        }
        forget_upcall();
    }
    ~Pair() {
        close(there);
        close(here);
        forget_upcall();
    }
    Pair(Pair const&) = delete;
    Pair& operator=(Pair const&) = delete;

    static void forget_upcall() {
        this_vcpu().info->evtchn_pending_sel = 0;
        this_vcpu().info->evtchn_upcall_pending = 0;
    }
};

bool upcall_is_pending() { return this_vcpu().info->evtchn_upcall_pending != 0; }
bool is_selected(Port port) { return (this_vcpu().info->evtchn_pending_sel >> port / 64 & 1) != 0; }

} // namespace

TEST("sending sets the port's pending bit, its word's selector, and the vCPU's upcall, at the other end") {
    Pair const pair;
    CHECK_EQ(send(pair.there), 0);
    CHECK(is_pending(pair.here));
    CHECK(!is_pending(pair.there));
    CHECK(is_selected(pair.here));
    CHECK(upcall_is_pending());
    CHECK_EQ(send(pair.here), 0);
    CHECK(is_pending(pair.there));
}

TEST("a masked port becomes pending, and that is all") {
    Pair const pair;
    set_masked(pair.here, true);
    CHECK_EQ(send(pair.there), 0);
    CHECK(is_pending(pair.here));
    CHECK(!is_selected(pair.here));
    CHECK(!upcall_is_pending());
}

TEST("unmasking a port that is pending makes up for it; one that is not, nothing") {
    Pair const pair;
    set_masked(pair.here, true);
    send(pair.there);
    CHECK_EQ(unmask(pair.here), 0);
    CHECK(!is_masked(pair.here));
    CHECK(is_selected(pair.here));
    CHECK(upcall_is_pending());
    clear_pending(pair.here);
    Pair::forget_upcall();
    set_masked(pair.here, true);
    CHECK_EQ(unmask(pair.here), 0);
    CHECK(!upcall_is_pending());
    CHECK_EQ(unmask(1'000'000), kEINVAL);
}

TEST("what is pending already is not told again") {
    Pair const pair;
    send(pair.there);
    Pair::forget_upcall();
    CHECK_EQ(send(pair.there), 0);
    CHECK(!is_selected(pair.here));
    CHECK(!upcall_is_pending());
}

TEST("the callback comes when events are let in, takes what is pending, and comes once") {
    Pair const pair;
    send(pair.there);
    CHECK_EQ(taken(pair.here), 0);
    {
        EventsIn const in;
        CHECK_EQ(taken(pair.here), 1);
        CHECK_EQ(this_vcpu().info->evtchn_upcall_mask, 0);
        CHECK(!upcall_is_pending());
    }
    CHECK_EQ(taken(pair.here), 1);
}

TEST("with events let in, sending to oneself is an event before the hypercall is over") {
    Pair const pair;
    EventsIn const in;
    for (unsigned i = 1; i <= 5; ++i) {
        CHECK_EQ(send(pair.there), 0);
        CHECK_EQ(taken(pair.here), i);
    }
}

TEST("the callback's frame is an exception's without an error code; its handler begins with events masked") {
    Pair const pair;
    send(pair.there);
    static Trap seen;
    static bool masked, still_pending;
    Handler const before = set_handler([](Trap& trap) {
        seen = trap;
        masked = this_vcpu().info->evtchn_upcall_mask != 0;
        still_pending = upcall_is_pending(); // clearing it is the guest's part
        return false;
    });
    { EventsIn const in; }
    set_handler(before);
    CHECK_EQ(seen.vector, kEvent);
    CHECK(!seen.events_were_masked());
    CHECK((seen.rflags & kInterruptFlag) != 0);
    CHECK_EQ(seen.cs & 0xffff, FLAT_KERNEL_CS & ~3);
    CHECK_EQ(seen.ss & 0xffff, FLAT_KERNEL_SS);
    CHECK(masked);
    CHECK(still_pending);
}

TEST("an iret that lets events in takes what is pending at once") {
    Pair const pair;
    Handler const before = set_handler([](Trap& trap) {
        if (trap.vector != kInvalidOpcode)
            return false;
        trap.rip += 2;
        trap.rflags |= kInterruptFlag;
        return true;
    });
    send(pair.there);
    ud2();
    CHECK_EQ(taken(pair.here), 1);
    set_handler(before);
    keep_events_out();
}

TEST("a callback that returns while more is pending comes again") {
    Pair const one, two;
    static unsigned calls;
    calls = 0;
    Handler const before = set_handler([](Trap& trap) {
        // The first time, only the first port is taken, and the rest is told again.
        if (trap.vector != kEvent || calls++ != 0)
            return false;
        this_vcpu().info->evtchn_upcall_pending = 1;
        return true;
    });
    send(one.there);
    send(two.there);
    { EventsIn const in; }
    set_handler(before);
    CHECK_EQ(calls, 2);
    CHECK_EQ(taken(one.here), 1);
    CHECK_EQ(taken(two.here), 1);
}

TEST("blocking lets events in, and does not sleep while one is pending") {
    Pair const pair;
    send(pair.there);
    CHECK_EQ(sched_op(SCHEDOP_block), 0);
    CHECK_EQ(taken(pair.here), 1);
    CHECK_EQ(this_vcpu().info->evtchn_upcall_mask, 0);
    keep_events_out();
}

TEST("polling does not sleep if a port is pending, masked or not, nor past its deadline") {
    Pair const pair;
    set_masked(pair.here, true);
    send(pair.there);
    Port const ports[2] = {pair.there, pair.here};
    CHECK_EQ(poll(ports, 2), 0);
    clear_pending(pair.here);
    // Any event of the domain's may end a poll of several ports; a domU's console daemon sends some for the line above.
    std::uint64_t const deadline = now() + 2 * kMillisecond;
    unsigned polls = 0;
    for (; now() < deadline; ++polls)
        CHECK_EQ(poll(ports, 2, deadline), 0);
    CHECK(polls < 10);
    CHECK_EQ(poll(ports, 2, 1), 0); // long ago
    CHECK_EQ(poll(nullptr, 0, now() + kMillisecond), 0);
}

TEST("polling for what cannot be is refused") {
    static Port ports[129];
    CHECK_EQ(poll(ports, 129), kEINVAL);
    ports[0] = 1'000'000;
    CHECK_EQ(poll(ports, 1), kEINVAL);
    CHECK_EQ(poll(reinterpret_cast<Port*>(0x1000), 1), kEFAULT);
}

TEST("an event comes to user mode as an exception would") {
    use_user_mode();
    Port const timer = static_cast<Port>(bind_virq(VIRQ_TIMER));
    forget_taken(timer);
    set_masked(timer, false);
    vcpu_set_singleshot_timer_t const alarm{.timeout_abs_ns = now() + 3 * kMillisecond, .flags = 0};
    CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &alarm), 0);
    static bool from_user;
    static std::uint64_t where;
    Handler const before = set_handler([](Trap& trap) {
        if (trap.vector == kEvent) {
            from_user = trap.from_user_mode();
            where = word(&trap);
        }
        return false;
    });
    Caught const trap = user_trap_of([&] {
        while (taken(timer) == 0) {
        }
    });
    set_handler(before);
    CHECK_EQ(trap.vector, kSystemCall);
    CHECK_EQ(taken(timer), 1);
    CHECK(from_user);
    CHECK(where < this_vcpu().trap_stack_top() && where >= this_vcpu().trap_stack_top() - kPageSize);
    close(timer);
}

// The last one: it moves the words that all the others look at.
TEST("a vCPU's words can be moved to a page of the guest's, once; they come with a pending upcall for every port") {
    Pair const pair;
    Page const page = fresh_page();
    auto const register_at = [&](std::uint64_t frame, std::uint32_t offset, unsigned vcpu = 0) {
        vcpu_register_vcpu_info_t const request{.mfn = frame, .offset = offset, .rsvd = 0};
        return vcpu_op(VCPUOP_register_vcpu_info, vcpu, &request);
    };
    CHECK_EQ(register_at(page.frame().raw(), 4096 - 32), kENXIO);
    CHECK_EQ(register_at(page.frame().raw(), 4), kENXIO);
    CHECK_EQ(register_at(~std::uint64_t{0}, 0), kEINVAL);
    CHECK_EQ(register_at(root_table().frame().raw(), 0), kEINVAL); // a table
    CHECK_EQ(register_at(page.frame().raw(), 0, 100), kENOENT);

    vcpu_info_t& old = *this_vcpu().info;
    old.arch.cr2 = 0x1234;
    CHECK_EQ(register_at(page.frame().raw(), 128), 0);
    CHECK_EQ(register_at(page.frame().raw(), 256), kEINVAL);
    auto& fresh = *reinterpret_cast<vcpu_info_t*>(page.va() + 128);
    this_vcpu().info = &fresh;
    CHECK_EQ(fresh.arch.cr2, 0x1234);
    CHECK_EQ(fresh.evtchn_upcall_mask, 1);
    CHECK_EQ(fresh.evtchn_upcall_pending, 1);
    CHECK_EQ(fresh.evtchn_pending_sel, ~std::uint64_t{0});
    CHECK(fresh.time.tsc_to_system_mul != 0);

    { EventsIn const in; }
    CHECK_EQ(fresh.evtchn_upcall_pending, 0);
    send(pair.there);
    CHECK_EQ(fresh.evtchn_upcall_pending, 1);
    CHECK(is_selected(pair.here));
    { EventsIn const in; }
    CHECK_EQ(taken(pair.here), 1);

    Caught const trap = trap_of([] { touch(*reinterpret_cast<char volatile*>(0x1238)); });
    CHECK_EQ(trap.fault_address, 0x1238);
    CHECK_EQ(fresh.arch.cr2, 0x1238);
    page.make_read_only();
    CHECK_EQ(pin(1, page.frame()), kEINVAL); // it is written to by the hypervisor
    page.make_writable();
}
