/// Several vCPUs on the same tables: what one flushes, the others do not see any more; what they change at once is whole.
#include "lib/memory.hpp"
#include "lib/stores.hpp"
#include "lib/trap.hpp"
#include "other.hpp"

using namespace lib;

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
            lib::add(window.l1.entries(), 0x10);
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
