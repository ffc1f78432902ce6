/// The L4 of the kernel and that of user mode (docs/abi.md §2.2; docs/shadow-paging.md SP-13).
#include "frames.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

/// A root with all that the kernel's has, but rubbish in the hypervisor's slots, as a process of Linux is born with.
Page another_root() {
    Page const root = fresh_page();
    for (unsigned slot = 0; slot < kEntries; ++slot)
        root[slot] = slot >= 256 && slot < 272 ? 0xdead'beef'0000'0067 + slot : root_table()[slot];
    root.make_read_only();
    return root;
}

} // namespace

TEST("a kernel moves to another root, and back; what stood in the hypervisor's slots is ignored") {
    Page const root = another_root();
    CHECK_EQ(pin(4, root.frame()), 0);
    Window const window = make_window();
    Page const page = fresh_page();
    page[0] = 0x31;
    window.set(0, entry(page.frame(), kReadOnly));
    unsigned const other_slot = window.root_slot + 100;
    CHECK_EQ(update_entry(root.address_of(other_slot), entry(window.l3.frame(), kTable)), 0);

    CHECK_EQ(new_root(root.frame()), 0);
    std::uint64_t const there = window.base + (std::uint64_t{100} << 39);
    CHECK_EQ(*reinterpret_cast<std::uint64_t volatile*>(there), 0x31);
    CHECK_EQ(trap_of([&] { touch(window.at(0)); }).vector, kPageFault); // the window was made after the copy
    CHECK_EQ(page_of(page.frame()).pfn(), page.pfn());                  // the machine-to-phys table is in every root
    CHECK_EQ(new_root(root_table().frame()), 0);
    CHECK_EQ(window.at(0), 0x31);
    CHECK_EQ(trap_of([&] { touch(*reinterpret_cast<char volatile*>(there)); }).vector, kPageFault);
    CHECK_EQ(unpin(root.frame()), 0);
    CHECK_EQ(root.make_writable(), 0);
}

TEST("a root need not be pinned: the processor's use of it holds it") {
    Page const root = another_root();
    CHECK_EQ(new_root(root.frame()), 0);
    CHECK_EQ(root.make_writable(), kEBUSY);
    CHECK_EQ(unpin(root.frame()), kEINVAL);
    CHECK_EQ(new_root(root_table().frame()), 0);
    CHECK_EQ(root.make_writable(), 0);
}

TEST("a pinned root may be unpinned while the kernel runs on it") {
    Page const root = another_root();
    CHECK_EQ(pin(4, root.frame()), 0);
    CHECK_EQ(new_root(root.frame()), 0);
    CHECK_EQ(unpin(root.frame()), 0);
    CHECK_EQ(root.make_writable(), kEBUSY);
    CHECK_EQ(new_root(root_table().frame()), 0);
    CHECK_EQ(root.make_writable(), 0);
}

TEST("what is no L4 is no root, and the old one stays") {
    Page const writable = fresh_page();
    Window const window = make_window();
    for (Frame const frame : {writable.frame(), window.l3.frame(), somebody_elses_frame(), Frame{~std::uint64_t{0}}}) {
        CHECK_EQ(new_root(frame), kEINVAL);
        CHECK_EQ(new_user_root(frame), kEINVAL);
    }
    CHECK_EQ(read_cr3() >> 12, root_table().frame().raw());
}

TEST("user mode has a root of its own: what only that one maps is user mode's") {
    Window const window = make_window(Half::user);
    Page const root = fresh_page(), page = fresh_page();
    page[0] = 0x41;
    window.set(0, entry(page.frame(), kWritable));
    root[511] = root_table()[511]; // the code that user mode is to run
    root[200] = root_table()[window.root_slot];
    root.make_read_only();
    CHECK_EQ(pin(4, root.frame()), 0);
    use_user_mode();
    CHECK_EQ(new_user_root(root.frame()), 0);

    auto* const there = reinterpret_cast<std::uint64_t volatile*>(std::uint64_t{200} << 39);
    std::uint64_t seen = 0;
    CHECK_EQ(user_trap_of([&] {
                 seen = *there;
                 *there = 0x42;
             }).vector,
             kSystemCall);
    CHECK_EQ(seen, 0x41);
    CHECK_EQ(page[0], 0x42);
    Caught const user = user_trap_of([&] { seen = window.at(0); });
    CHECK_EQ(user.vector, kPageFault);
    CHECK_EQ(user.error_code, kFaultUser);
    CHECK_EQ(trap_of([&] { touch(*there); }).vector, kPageFault);
    CHECK_EQ(window.at(0), 0x42);

    // The tables below are shared: a change in them is user mode's too.
    Page const other = fresh_page();
    other[0] = 0x43;
    window.set(0, entry(other.frame(), kReadOnly));
    flush_page(std::uint64_t{200} << 39);
    CHECK_EQ(user_trap_of([&] { seen = *there; }).vector, kSystemCall);
    CHECK_EQ(seen, 0x43);

    CHECK_EQ(unpin(root.frame()), 0);
    CHECK_EQ(root.make_writable(), kEBUSY);
    CHECK_EQ(new_user_root(Frame{0}), 0); // none
    CHECK_EQ(root.make_writable(), 0);
}

TEST("a new root flushes what the old one had cached") {
    Page const root = another_root();
    Window const window = make_window();
    Page const pages[2] = {fresh_page(), fresh_page()};
    pages[0][0] = 0x50;
    pages[1][0] = 0x51;
    CHECK_EQ(pin(4, root.frame()), 0);
    CHECK_EQ(update_entry(root.address_of(window.root_slot), root_table()[window.root_slot]), 0);
    for (unsigned turn = 0; turn < 4; ++turn) {
        window.set(0, entry(pages[turn % 2].frame(), kReadOnly));
        CHECK_EQ(new_root(turn % 2 == 0 ? root.frame() : root_table().frame()), 0);
        CHECK_EQ(window.at(0), 0x50 + turn % 2);
    }
    CHECK_EQ(unpin(root.frame()), 0);
}

TEST("a table that leads to itself is refused, or cannot be written through") {
    Page const root = another_root();
    CHECK_EQ(pin(4, root.frame()), 0);
    CHECK_EQ(update_entry(root.address_of(400), entry(root.frame(), kTable)), kEINVAL);
    CHECK_EQ(unpin(root.frame()), 0);
}
