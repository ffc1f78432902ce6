/// The console ring, of which the daemon in dom0 reads one half and writes the other. What is spoilt is put right again, since
/// the report goes out by the same ring: that it does is the first proof that its reader lives.
#include <atomic>

#include <xen/io/console.h>

#include "lib/dice.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/vcpu.hpp"
#include "store.hpp"
#include "text.hpp"
#include "wait.hpp"

using namespace lib;

namespace {

using Index = XENCONS_RING_IDX;
constexpr Index kSize = sizeof xencons_interface{}.out;

xencons_interface volatile& console() {
    return *reinterpret_cast<xencons_interface*>(page_of(Frame{startup().console.domU.mfn}).va());
}
Port console_port() { return startup().console.domU.evtchn; }
void notify() { send(console_port()); }

/// Says @p line as the ring is meant to be used; true if all of it was read, and nothing else.
bool says(std::string_view line) {
    auto volatile& ring = console();
    Index end = ring.out_cons;
    for (char const letter : line)
        ring.out[MASK_XENCONS_IDX(end++, ring.out)] = letter;
    std::atomic_thread_fence(std::memory_order_release);
    ring.out_prod = end;
    notify();
    return wait_until(console_port(), [&] { return ring.out_cons == end; });
}

/// What cannot be: more than the ring holds, by a little, by far, backwards.
constexpr Index kAbsurd[] = {kSize + 1, kSize + 4096, 0x7fff'ffff, 0x8000'0000, 0xffff'f000, ~Index{0}};

} // namespace

TEST("a producer that is too far ahead, or behind, is not followed; the reader goes on when it is back") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    drain_console();
    auto volatile& ring = console();
    for (Index const distance : kAbsurd) {
        Index const begin = ring.out_cons;
        ring.out_prod = begin + distance;
        notify();
        let_others_look();
        CHECK_EQ(ring.out_cons, begin);
        ring.out_prod = begin;
        CHECK(says("# the reader goes on\n"));
    }
}

TEST("a consumer's index that its owner has not written does no harm, either") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    drain_console();
    auto volatile& ring = console();
    for (Index const distance : kAbsurd) {
        Index const end = ring.out_prod;
        ring.out_cons = end - distance;
        notify();
        let_others_look();
        CHECK_EQ(ring.out_cons, end - distance);
        ring.out_cons = end;
        CHECK(says("# the reader goes on\n"));
    }
}

TEST("indices that change while they are read: only what was offered is taken") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    SKIP_UNLESS(vcpus() > 1, "one vCPU");
    drain_console();
    auto volatile& ring = console();
    Index const begin = ring.out_cons;
    for (Index i = 0; i < kSize; ++i)
        ring.out[MASK_XENCONS_IDX(begin + i, ring.out)] = (i + 1) % 64 == 0 ? '\n' : '#';
    // The other vCPU lets the index jump; each step to where it is right is seen by what the reader makes of it.
    constexpr unsigned kSteps = 64;
    Index volatile right = begin;
    bool volatile over = false;
    auto jump = [&] {
        Dice dice{0xc025};
        while (!over) {
            // Not the last of them: one back is within what was offered.
            ring.out_prod = right + kAbsurd[dice.below(sizeof kAbsurd / sizeof *kAbsurd - 1)];
            for (auto i = dice.below(2000); i != 0; --i)
                nop();
            ring.out_prod = right;
            for (auto i = dice.below(2000); i != 0; --i)
                nop();
        }
    };
    start_on(1, jump);
    bool taken = true;
    for (unsigned step = 0; step < kSteps && taken; ++step) {
        Index const before = right, next = before + kSize / kSteps;
        right = next;
        std::uint64_t const deadline = now() + kPatience;
        Index at = before;
        // It may look just when the index is absurd: so it is told again and again.
        while ((at = ring.out_cons) == before && now() < deadline) {
            notify();
            sched_op(SCHEDOP_yield);
        }
        taken = at == next;
    }
    over = true;
    wait_for(1);
    Index const at = ring.out_cons;
    ring.out_prod = begin + kSize;
    ring.out_cons = begin + kSize;
    CHECK_EQ(at, begin + kSize);
    CHECK(taken);
    CHECK(says("# the reader goes on\n"));
}

TEST("what is typed waits while there is no place for it that can be") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    SKIP_UNLESS(command_line().find("typist") != std::string_view::npos, "nobody types");
    auto volatile& ring = console();
    Store& store = Store::get();
    Index const begin = ring.in_cons;
    CHECK_EQ(ring.in_prod, begin);
    ring.in_prod = begin + kSize;
    // The typist, in dom0, waits for the one and writes the other.
    CHECK(store.write("data/spoilt", "yes"));
    CHECK(store.await("data/typed", [](std::string_view value) { return value == "yes"; }));
    notify();
    let_others_look();
    CHECK_EQ(ring.in_prod, begin + kSize);
    ring.in_prod = begin;
    notify();
    CHECK(wait_until(console_port(), [&] { return ring.in_prod != begin; }));
    CHECK_EQ(ring.in[MASK_XENCONS_IDX(begin, ring.in)], 't');
    ring.in_cons = ring.in_prod;
}

TEST("a storm of events for both daemons: they answer when it is over") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    for (unsigned i = 0; i < 100'000; ++i) {
        notify();
        Store::get().notify();
    }
    CHECK(says("# the reader goes on\n"));
    CHECK(!Store::get().read("domid").empty());
}
