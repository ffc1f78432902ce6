/// What a frame is used as excludes what else it can be: writable memory, a table of one level, a page of descriptors
/// (docs/abi.md §2.2; docs/shadow-paging.md SP-1).
#include "frames.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"

using namespace lib;

namespace {

/// A tree of one table a level, read-only but not in use: pinning its top makes all of it tables.
struct Tree {
    Page tables[4] = {fresh_page(), fresh_page(), fresh_page(), fresh_page()};

    Tree() {
        for (unsigned level = 4; level > 1; --level)
            at(level)[0] = entry(at(level - 1).frame(), kTable);
        for (Page const table : tables)
            table.make_read_only();
    }
    [[nodiscard]] Page at(unsigned level) const { return tables[level - 1]; }
};

} // namespace

TEST("a table is pinned once and unpinned once, at every level") {
    Tree const tree;
    for (unsigned level = 1; level <= 4; ++level) {
        Frame const frame = tree.at(level).frame();
        CHECK_EQ(unpin(frame), kEINVAL);
        CHECK_EQ(pin(level, frame), 0);
        CHECK_EQ(pin(level, frame), kEINVAL);
        CHECK_EQ(unpin(frame), 0);
        CHECK_EQ(unpin(frame), kEINVAL);
    }
}

TEST("a frame with a writable mapping cannot be pinned") {
    Page const page = fresh_page();
    for (unsigned level = 1; level <= 4; ++level)
        CHECK_EQ(pin(level, page.frame()), kEINVAL);
    CHECK_EQ(page.make_read_only(), 0);
    CHECK_EQ(pin(1, page.frame()), 0);
    unpin(page.frame());
}

TEST("a table cannot be mapped writable, but read-only it can; unpinned, it is memory again") {
    Page const page = fresh_page();
    Window const window = make_window();
    page.make_read_only();
    CHECK_EQ(pin(1, page.frame()), 0);
    CHECK_EQ(page.make_writable(), kEBUSY);
    CHECK_EQ(window.set(0, entry(page.frame(), kWritable)), kEBUSY);
    CHECK_EQ(window.set(0, entry(page.frame(), kReadOnly)), 0);
    CHECK_EQ(window.at(0), 0);
    CHECK_EQ(unpin(page.frame()), 0);
    CHECK_EQ(page.make_writable(), 0);
    CHECK_EQ(window.set(0, entry(page.frame(), kWritable)), 0);
    window.at(0) = 0x1234;
    CHECK_EQ(page[0], 0x1234);
}

TEST("a table of one level is none of another") {
    Page const page = fresh_page();
    page.make_read_only();
    for (unsigned level = 1; level <= 4; ++level) {
        CHECK_EQ(pin(level, page.frame()), 0);
        for (unsigned other = 1; other <= 4; ++other)
            CHECK_EQ(pin(other, page.frame()), kEINVAL);
        CHECK_EQ(unpin(page.frame()), 0);
    }
}

TEST("pinning a table makes tables of all that it leads to, and unpinning it lets them go, at once") {
    Tree const tree;
    for (unsigned top = 2; top <= 4; ++top) {
        CHECK_EQ(pin(top, tree.at(top).frame()), 0);
        for (unsigned level = 1; level <= top; ++level) {
            CHECK_EQ(tree.at(level).make_writable(), kEBUSY);
            CHECK_EQ(pin(level == 1 ? 2 : 1, tree.at(level).frame()), kEINVAL);
        }
        CHECK_EQ(unpin(tree.at(top).frame()), 0);
        for (unsigned level = 1; level <= top; ++level) {
            CHECK_EQ(tree.at(level).make_writable(), 0);
            CHECK_EQ(tree.at(level).make_read_only(), 0);
        }
    }
}

TEST("a table that another table leads to can be pinned besides, and stays a table until both have let go") {
    Tree const tree;
    CHECK_EQ(pin(2, tree.at(2).frame()), 0);
    CHECK_EQ(pin(1, tree.at(1).frame()), 0);
    CHECK_EQ(unpin(tree.at(2).frame()), 0);
    CHECK_EQ(tree.at(2).make_writable(), 0);
    CHECK_EQ(tree.at(1).make_writable(), kEBUSY);
    CHECK_EQ(unpin(tree.at(1).frame()), 0);
    CHECK_EQ(tree.at(1).make_writable(), 0);
}

TEST("a table with one bad entry is refused whole: what it led to before is memory still") {
    Page const good = fresh_page(), writable = fresh_page(), table = fresh_page();
    good.make_read_only();
    table[0] = entry(good.frame(), kTable);
    table[511] = entry(writable.frame(), kTable); // an L1, it says, but mapped writable
    table.make_read_only();
    CHECK_EQ(pin(2, table.frame()), kEINVAL);
    CHECK_EQ(good.make_writable(), 0);
    CHECK_EQ(table.make_writable(), 0);
}

TEST("an L1 with an entry that may not be is refused") {
    Entry const bad_entries[] = {
        entry(somebody_elses_frame(), kReadOnly),              // not the guest's frame
        entry(Frame{(std::uint64_t{1} << 40) - 1}, kReadOnly), // no frame at all
        entry(root_table().frame(), kWritable),                // a table, writable
    };
    for (Entry const bad : bad_entries) {
        Page const table = fresh_page();
        table[100] = bad;
        table.make_read_only();
        CHECK(pin(1, table.frame()) < 0);
        CHECK_EQ(table.make_writable(), 0);
    }
}

TEST("what is not present may say anything") {
    Page const table = fresh_page();
    for (unsigned slot = 0; slot < kEntries; ++slot)
        table[slot] = 0xdead'beef'dead'bee0 + 2 * (slot % 4);
    table.make_read_only();
    CHECK_EQ(pin(1, table.frame()), 0);
    CHECK_EQ(table[3], 0xdead'beef'dead'bee6);
    CHECK_EQ(unpin(table.frame()), 0);
    CHECK_EQ(pin(2, table.frame()), 0);
    CHECK_EQ(unpin(table.frame()), 0);
}

TEST("there are no large pages: an entry of L2 or L3 that says so is refused") {
    for (unsigned level = 2; level <= 3; ++level) {
        Page const table = fresh_page();
        table[0] = entry(Frame{0}, kTable | kPageSizeBit);
        table.make_read_only();
        CHECK_EQ(pin(level, table.frame()), kEINVAL);
        CHECK_EQ(table.make_writable(), 0);
    }
}

TEST("a frame that is not the guest's RAM cannot be pinned") {
    for (unsigned level = 1; level <= 4; ++level) {
        CHECK_EQ(pin(level, somebody_elses_frame()), kEINVAL);
        CHECK_EQ(pin(level, Frame{0xfee00}), kEINVAL); // the local APIC
        CHECK_EQ(pin(level, Frame{(std::uint64_t{1} << 40) - 1}), kEINVAL);
        CHECK_EQ(pin(level, Frame{~std::uint64_t{0}}), kEINVAL);
    }
    CHECK_EQ(unpin(somebody_elses_frame()), kEINVAL);
    CHECK_EQ(unpin(Frame{~std::uint64_t{0}}), kEINVAL);
}

TEST("the frame that shared_info is mapped from cannot be pinned") {
    CHECK_EQ(pin(1, Frame{startup().shared_info >> 12}), kEINVAL);
}

TEST("mmuext_op stops at the first operation that is refused, and says how many were done") {
    Page const first = fresh_page(), third = fresh_page();
    first.make_read_only();
    third.make_read_only();
    struct mmuext_op operations[3] = {};
    operations[0].cmd = MMUEXT_PIN_L1_TABLE;
    operations[0].arg1.mfn = first.frame().raw();
    operations[1].cmd = MMUEXT_PIN_L1_TABLE;
    operations[1].arg1.mfn = ~std::uint64_t{0};
    operations[2].cmd = MMUEXT_PIN_L1_TABLE;
    operations[2].arg1.mfn = third.frame().raw();
    unsigned done = 99;
    CHECK_EQ(mmuext_ops(operations, 3, &done), kEINVAL);
    CHECK_EQ(done, 1);
    CHECK_EQ(unpin(first.frame()), 0);
    CHECK_EQ(unpin(third.frame()), kEINVAL);
}

TEST("mmuext_op refuses what it does not know") {
    CHECK_EQ(mmuext(99), kENOSYS);
    CHECK_EQ(mmuext_ops(reinterpret_cast<struct mmuext_op*>(0x1000), 1), kEFAULT);
    struct mmuext_op operation {};
    operation.cmd = MMUEXT_PIN_L1_TABLE;
    CHECK_EQ(mmuext_ops(&operation, 1, nullptr, 1234), kESRCH);
    CHECK_EQ(mmuext_ops(nullptr, 0), 0);
}
