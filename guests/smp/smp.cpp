/// More than one vCPU: how they are started and stopped, reach one another, and see the same memory (docs/abi.md §7).
#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "lib/vcpu.hpp"

using namespace lib;

namespace {

#define SKIP_UNLESS_TWO() SKIP_UNLESS(vcpus() > 1, "the domain has one vCPU")

constexpr unsigned kOther = 1;

/// Yields until @p done, but not for ever: a minute is an answer, too.
template <typename Condition> bool wait_until(Condition const& done) {
    std::uint64_t const end = now() + 60'000 * kMillisecond;
    while (!done())
        if (now() > end)
            return false;
        else
            sched_op(SCHEDOP_yield);
    return true;
}

bool is_up(unsigned vcpu) { return vcpu_op(VCPUOP_is_up, vcpu) == 1; }

Port ipi_for(unsigned vcpu) {
    auto const port = static_cast<Port>(bind_ipi(vcpu));
    clear_pending(port);
    set_masked(port, false);
    forget_taken(port);
    return port;
}

} // namespace

TEST("vCPU 0 is up; the others are there, and down; those beyond the last are not") {
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 0), 1);
    for (unsigned vcpu = 1; vcpu < vcpus(); ++vcpu)
        CHECK_EQ(vcpu_op(VCPUOP_is_up, vcpu), 0);
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 1000), kENOENT);
    CHECK_EQ(vcpu_op(VCPUOP_up, 1000), kENOENT);
    CHECK_EQ(vcpu_op(VCPUOP_down, 1000), kENOENT);
    CHECK_EQ(vcpu_op(99, 0), kENOSYS);
}

TEST("vCPU 0 cannot be initialised again") {
    CHECK_EQ(vcpu_op(VCPUOP_initialise, 0, &make_context(kOther, nullptr, nullptr)), kEEXIST);
}

TEST("a vCPU that has not been initialised cannot go up") {
    SKIP_UNLESS_TWO();
    CHECK_EQ(vcpu_op(VCPUOP_up, kOther), kEINVAL);
}

TEST("a context that makes no sense is refused, and may be given again, mended") {
    SKIP_UNLESS_TWO();
    auto const refused_with = [](auto change) {
        vcpu_guest_context_t& context = make_context(kOther, nullptr, nullptr);
        change(context);
        return vcpu_op(VCPUOP_initialise, kOther, &context);
    };
    CHECK_EQ(vcpu_op(VCPUOP_initialise, kOther, reinterpret_cast<void*>(0x1000)), kEFAULT);
    CHECK_EQ(refused_with([](auto& context) { context.ctrlreg[3] = ~std::uint64_t{0}; }), kEINVAL);
    CHECK_EQ(refused_with([](auto& context) { context.ctrlreg[3] = fresh_page().address(); }), kEINVAL);
    CHECK_EQ(refused_with([](auto& context) { context.event_callback_eip = std::uint64_t{1} << 48; }), kEINVAL);
    CHECK_EQ(refused_with([](auto& context) { context.gdt_ents = 10'000; }), kEINVAL);
    CHECK_EQ(refused_with([](auto& context) {
                 context.gdt_ents = 512;
                 context.gdt_frames[0] = fresh_page().frame().raw(); // mapped writable
             }),
             kEINVAL);
    CHECK_EQ(refused_with([](auto& context) { context.ldt_ents = 8193; }), kEINVAL);
    CHECK_EQ(vcpu_op(VCPUOP_is_up, kOther), 0);
}

TEST("the words of a vCPU that is down can be moved by another one") {
    SKIP_UNLESS_TWO();
    Page const page = fresh_page();
    vcpu_register_vcpu_info_t const request{.mfn = page.frame().raw(), .offset = 64, .rsvd = 0};
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, kOther, &request), 0);
    vcpu_area(kOther).info = reinterpret_cast<vcpu_info_t*>(page.va() + 64);
    CHECK_EQ(vcpu_area(kOther).info->evtchn_upcall_pending, 1);
}

TEST("a vCPU begins where its context says, with what its context says, and is up") {
    SKIP_UNLESS_TWO();
    struct Seen {
        std::uint64_t cs, ss, rflags, cr3, fs_base, gs_base, area;
        bool masked, ports;
    } seen{};
    run_on(kOther, [&seen] {
        seen = {read_cs(),
                read_ss(),
                read_rflags(),
                read_cr3(),
                rdmsr(0xc000'0100),
                rdmsr(0xc000'0101),
                word(&this_vcpu()),
                this_vcpu().info->evtchn_upcall_mask != 0,
                trap_of([] { out<std::uint8_t>(0x80, 0); }).vector == kNoTrap};
    });
    CHECK_EQ(seen.cs, FLAT_KERNEL_CS);
    CHECK_EQ(seen.ss, FLAT_KERNEL_SS);
    CHECK((seen.rflags & kInterruptFlag) != 0);
    CHECK_EQ(seen.cr3, root_table().address());
    CHECK_EQ(seen.fs_base, 0);
    CHECK_EQ(seen.gs_base, 0);
    CHECK_EQ(seen.area, word(&vcpu_area(kOther)));
    CHECK(seen.masked); // by its words, not by its context
    CHECK(seen.ports);  // its context's RFLAGS had a virtual IOPL of 1
    CHECK(is_up(kOther));
    CHECK_EQ(vcpu_op(VCPUOP_initialise, kOther, &make_context(kOther, nullptr, nullptr)), kEEXIST);
    CHECK_EQ(vcpu_op(VCPUOP_up, kOther), 0); // it is: that is no error
}

TEST("traps, callbacks and stacks are each vCPU's own") {
    SKIP_UNLESS_TWO();
    Caught other{};
    run_on(kOther, [&other] {
        use_user_mode();
        other = user_trap_of([] { asm volatile("ud2"); });
    });
    CHECK_EQ(other.vector, kInvalidOpcode);
    CHECK(other.frame > word(vcpu_area(kOther).trap_stack) && other.frame < vcpu_area(kOther).trap_stack_top());
    CHECK_EQ(trap_of([] { asm volatile("ud2"); }).vector, kInvalidOpcode);
}

TEST("each vCPU has its own CR2") {
    SKIP_UNLESS_TWO();
    run_on(kOther, [] { trap_of([] { touch(*reinterpret_cast<char volatile*>(0x2220)); }); });
    trap_of([] { touch(*reinterpret_cast<char volatile*>(0x1110)); });
    CHECK_EQ(vcpu_area(kOther).info->arch.cr2, 0x2220);
    CHECK_EQ(this_vcpu().info->arch.cr2, 0x1110);
}

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
        auto sleep = [&] {
            while (taken(ipi) == 0)
                sched_op(SCHEDOP_block);
            keep_events_out();
        };
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

TEST("a mapping that is taken away and flushed is gone on every vCPU") {
    SKIP_UNLESS_TWO();
    Window const window = make_window();
    Page const pages[2] = {fresh_page(), fresh_page()};
    pages[0][0] = 0;
    pages[1][0] = 1;
    std::uint64_t const both = 3, other = 2;
    static std::uint64_t volatile turn, seen;
    turn = 0;
    seen = 0;
    CHECK_EQ(window.set(0, entry(pages[0].frame(), kReadOnly)), 0);
    auto look = [&] {
        // Reads all the time, so that the translation is cached, and tells what it saw since each turn began.
        for (std::uint64_t last = 0; last != 1000;) {
            std::uint64_t const now_turn = turn;
            std::uint64_t const value = window.at(0);
            if (now_turn != last) {
                seen = now_turn << 8 | value;
                last = now_turn;
            }
        }
    };
    start_on(kOther, look);
    auto const change = [&](unsigned number, auto flush) {
        CHECK_EQ(window.set(0, entry(pages[number % 2].frame(), kReadOnly)), 0);
        CHECK_EQ(flush(), 0);
        turn = number;
        if (!wait_until([&] { return seen >> 8 == number; }))
            return fail(__FILE_NAME__, __LINE__, "the other vCPU answers");
        CHECK_EQ(seen & 0xff, number % 2);
    };
    for (unsigned i = 1; i < 60; i += 6) {
        change(i, [&] { return mmuext(MMUEXT_INVLPG_ALL, window.va(0)); });
        change(i + 1, [&] { return mmuext(MMUEXT_TLB_FLUSH_ALL); });
        change(i + 2, [&] { return mmuext(MMUEXT_INVLPG_MULTI, window.va(0), word(&both)); });
        change(i + 3, [&] { return mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, word(&other)); });
        change(i + 4, [&] {
            return update_va_mapping(window.va(0), entry(pages[(i + 4) % 2].frame(), kReadOnly),
                                     UVMF_INVLPG | UVMF_ALL);
        });
        change(i + 5, [&] {
            return update_va_mapping(window.va(0), entry(pages[(i + 5) % 2].frame(), kReadOnly),
                                     UVMF_TLB_FLUSH | word(&other));
        });
    }
    turn = 1000;
    wait_for(kOther);
}

TEST("a page that another vCPU has been writing to is no longer written to once it is a table") {
    SKIP_UNLESS_TWO();
    Window const window = make_window();
    static bool volatile stop;
    for (unsigned round = 0; round < 10; ++round) {
        Page const page = fresh_page();
        CHECK_EQ(window.set(0, entry(page.frame(), kWritable)), 0);
        flush_page(window.va(0));
        stop = false;
        std::uint64_t writes = 0;
        auto write = [&] {
            // What is not present may be any even number. Refused: the mapping has become read-only.
            trap_of([&] {
                while (!stop)
                    window.at(0) = writes += 2;
            });
        };
        start_on(kOther, write);
        CHECK(wait_until([&] { return page[0] > 100; }));
        CHECK_EQ(update_va_mapping(page.va(), entry(page.frame(), kReadOnly), UVMF_NONE), 0);
        CHECK_EQ(window.set(0, 0), 0); // and no flush asked for
        CHECK_EQ(pin(1, page.frame()), 0);
        std::uint64_t const last = page[0];
        for (unsigned i = 0; i < 10'000; ++i)
            if (page[0] != last)
                return fail(__FILE_NAME__, __LINE__, "page[0] == last");
        stop = true;
        wait_for(kOther);
        CHECK_EQ(unpin(page.frame()), 0);
    }
}

TEST("locked stores to a table, emulated for two vCPUs at once, are each done once") {
    SKIP_UNLESS_TWO();
    Window const window = make_window();
    constexpr unsigned kTimes = 2000;
    auto add = [&] {
        for (unsigned i = 0; i < kTimes; ++i)
            asm volatile("lock addq $0x10, %0" : "+m"(*window.l1.entries()));
    };
    start_on(kOther, add);
    add();
    wait_for(kOther);
    CHECK_EQ(window.entry(0), 2 * kTimes * 0x10);
}

TEST("two vCPUs that change the same tables by hypercall leave them whole") {
    SKIP_UNLESS_TWO();
    Window const window = make_window();
    Page const pages[2] = {fresh_page(), fresh_page()};
    bool failed[2] = {};
    auto const churn = [&](unsigned self) {
        for (unsigned i = 0; i < 500; ++i) {
            failed[self] |= window.set(i % 8, entry(pages[self].frame(), kWritable)) != 0;
            failed[self] |= update_va_mapping(window.va((i + 3) % 8), 0, UVMF_INVLPG | UVMF_ALL) != 0;
        }
    };
    auto other = [&] { churn(1); };
    start_on(kOther, other);
    churn(0);
    wait_for(kOther);
    CHECK(!failed[0] && !failed[1]);
    // Every writable mapping is counted: without them, both pages can be tables.
    for (unsigned i = 0; i < 8; ++i)
        CHECK_EQ(window.set(i, 0), 0);
    for (Page const page : pages) {
        page.make_read_only();
        CHECK_EQ(pin(1, page.frame()), 0);
        CHECK_EQ(unpin(page.frame()), 0);
    }
}

TEST("pinning on one vCPU and mapping writable on another: one of them is refused, never none") {
    SKIP_UNLESS_TWO();
    Window const window = make_window();
    Page const page = fresh_page();
    page.make_read_only();
    std::uint64_t pinned = 0, mapped = 0;
    static unsigned volatile round;
    static bool volatile done;
    static std::int64_t volatile other_answer;
    round = 0;
    done = false;
    auto map = [&] {
        for (unsigned last = 0; last < 300;) {
            unsigned const next = round;
            if (next == last)
                continue;
            last = next;
            other_answer = window.set(0, entry(page.frame(), kWritable));
            done = true;
        }
    };
    start_on(kOther, map);
    for (unsigned i = 1; i <= 300; ++i) {
        done = false;
        round = i;
        std::int64_t const answer = pin(1, page.frame());
        if (!wait_until([] { return done; }))
            return fail(__FILE_NAME__, __LINE__, "the other vCPU answers");
        pinned += answer == 0;
        mapped += other_answer == 0;
        if ((answer == 0) == (other_answer == 0) && answer == 0)
            fail(__FILE_NAME__, __LINE__, "a pinned table is mapped writable");
        if (answer == 0)
            CHECK_EQ(unpin(page.frame()), 0);
        window.set(0, 0);
    }
    wait_for(kOther);
    CHECK(pinned + mapped >= 300);
}

TEST("both vCPUs read one clock") {
    SKIP_UNLESS_TWO();
    for (unsigned i = 0; i < 20; ++i) {
        std::uint64_t const before = now();
        std::uint64_t between = 0;
        run_on(kOther, [&] { between = now(); });
        std::uint64_t const after = now();
        // Within a second: the counters of emulated processors drift. Two clocks would be further apart.
        CHECK(between + 1000 * kMillisecond >= before && between <= after + 1000 * kMillisecond);
    }
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
        while (taken(port) == 0)
            sched_op(SCHEDOP_block);
        keep_events_out();
        woke = now() >= alarm.timeout_abs_ns;
        close(port);
    });
    CHECK(woke);
}

TEST("a vCPU that takes itself down goes on behind that call when it is brought up again") {
    SKIP_UNLESS_TWO();
    static std::int64_t answer;
    answer = 99;
    auto down = [] { answer = vcpu_op(VCPUOP_down, kOther); };
    start_on(kOther, down);
    CHECK(wait_until([] { return !is_up(kOther); }));
    CHECK_EQ(answer, 99);
    CHECK_EQ(vcpu_op(VCPUOP_up, kOther), 0);
    wait_for(kOther);
    CHECK_EQ(answer, 0);
    CHECK(is_up(kOther));
}

TEST("a vCPU can be taken down by another one, and then does nothing until it is up again") {
    SKIP_UNLESS_TWO();
    static std::uint64_t volatile count;
    static bool volatile stop;
    count = 0;
    stop = false;
    auto spin = [] {
        while (!stop)
            count = count + 1;
    };
    start_on(kOther, spin);
    CHECK(wait_until([] { return count > 1000; }));
    CHECK_EQ(vcpu_op(VCPUOP_down, kOther), 0);
    CHECK(!is_up(kOther));
    // It may take a moment until it has stopped.
    std::uint64_t before = 0;
    CHECK(wait_until([&] {
        before = count;
        for (std::uint64_t const end = now() + 5 * kMillisecond; now() < end;)
            sched_op(SCHEDOP_yield);
        return count == before;
    }));
    CHECK_EQ(vcpu_op(VCPUOP_up, kOther), 0);
    CHECK(wait_until([&] { return count > before; }));
    stop = true;
    wait_for(kOther);
}
