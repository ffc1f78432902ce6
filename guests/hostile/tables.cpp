/// Page tables by chance, pinned at any level: what is accepted cannot be written, what is refused is memory.
#include "lib/stores.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "sandbox.hpp"

using namespace lib;

TEST("tables of any content") {
    Dice dice{0x7ab1e};
    Sandbox const& box = sandbox();
    unsigned accepted = 0;
    for (unsigned round = 0; round < 800; ++round) {
        Page const table = box.page(dice);
        if (table.make_writable() != 0)
            continue;
        unsigned const entries = static_cast<unsigned>(dice.below(6));
        __builtin_memset(table.entries(), 0, kPageSize);
        for (unsigned i = 0; i < entries; ++i)
            table[static_cast<unsigned>(dice.below(512))] = box.entry(dice);
        table.make_read_only();
        unsigned const level = 1 + static_cast<unsigned>(dice.below(4));
        if (pin(level, table.frame()) == 0) {
            ++accepted;
            CHECK_EQ(table.make_writable(), kEBUSY);
            if (dice.once_in(2))
                CHECK_EQ(unpin(table.frame()), 0);
        }
        if (round % 8 == 7) // what is pinned cannot be tried again
            box.clear();
    }
    box.clear();
    print("# ", accepted, " accepted\n");
    CHECK(accepted > 20);
    check_sanity();
}

TEST("stores of any content to a table in use are done or are page faults") {
    Dice dice{0x5708e};
    Sandbox const& box = sandbox();
    unsigned done = 0, refused = 0;
    for (unsigned i = 0; i < 3000; ++i) {
        auto* const place = reinterpret_cast<std::uint8_t*>(box.window().l1.entries()) + dice.below(511 * 8);
        std::uint64_t const value = dice.once_in(3) ? dice.next() : box.entry(dice);
        std::uint64_t const kind = dice.below(6);
        Caught const trap = trap_of([&] {
            switch (kind) {
            case 0: return store_byte(place, value);
            case 1: return store_word(place, value);
            case 2: return exchange_long(place, value);
            case 3: return or_quad(place, value);
            case 4: return complement_bit(place, value);
            default: return store_quad(place, value);
            }
        });
        if (trap.vector != kNoTrap && trap.vector != kPageFault)
            fail(__FILE_NAME__, __LINE__, "done, or a page fault", trap.vector, kPageFault);
        (trap.vector == kNoTrap ? done : refused) += 1;
    }
    for (unsigned slot = 0; slot < kEntries; ++slot)
        CHECK_EQ(box.window().set(slot, 0), 0);
    print("# ", done, " done, ", refused, " refused\n");
    CHECK(done > 100 && refused > 100);
    check_sanity();
}

TEST("a page that was ever writable by the guest is never a table that it could write") {
    // The trick: one page, mapped writable in many places, some of them not in use yet.
    Sandbox const& box = sandbox();
    Page const victim = box.page(0), hidden = box.page(1);
    hidden[7] = entry(victim.frame(), kWritable);
    hidden.make_read_only();
    victim.make_read_only();
    CHECK_EQ(pin(1, victim.frame()), 0);
    CHECK_EQ(pin(1, hidden.frame()), kEBUSY); // it would map a table writable
    CHECK_EQ(unpin(victim.frame()), 0);
    CHECK_EQ(pin(1, hidden.frame()), 0);
    CHECK_EQ(pin(1, victim.frame()), kEINVAL); // and this would make a table of what is mapped writable
    CHECK_EQ(unpin(hidden.frame()), 0);
    CHECK_EQ(pin(1, victim.frame()), 0);
    CHECK_EQ(unpin(victim.frame()), 0);
    box.clear();
}
