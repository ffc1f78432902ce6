/// The guest's own frames where they do not belong: memory that is written, tables of another level, in use or pinned, as
/// roots and as tables. Each is refused, and the guest runs on.
#include "lib/test.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

/// Frames of every use, with the one level that pinning it is right for; 0 if none is.
struct Used {
    char const* name;
    Frame frame;
    unsigned level;
};

Page pinned_table(unsigned level) {
    Page const table = fresh_page();
    CHECK_EQ(table.make_read_only(), 0);
    CHECK_EQ(pin(level, table.frame()), 0);
    return table;
}

Page descriptors() {
    Page const table = fresh_page();
    CHECK_EQ(table.make_read_only(), 0);
    std::uint64_t const frame = table.frame().raw();
    CHECK_EQ(set_gdt(&frame, 512), 0);
    return table;
}

template <unsigned count> void check_refused(Used const (&frames)[count]) {
    for (Used const& used : frames) {
        bool accepted = used.level != 4 && (new_root(used.frame) == 0 || new_user_root(used.frame) == 0);
        for (unsigned level = 1; level <= 4; ++level)
            accepted = accepted || (level != used.level && pin(level, used.frame) == 0);
        if (accepted)
            print("# ", used.name, "\n"), fail(__FILE_NAME__, __LINE__, "it is refused");
    }
}

} // namespace

TEST("no memory, no table of another level, and nothing else that the guest has is a root or a wrong table") {
    Window const& window = sandbox().window();
    Used const frames[] = {
        {"memory", sandbox().page(0).frame(), 0},
        {"the stack", page_of(frame_in(place_of(&window).read())).frame(), 0},
        {"shared_info", Frame{startup().shared_info >> 12}, 0},
        {"the GDT", descriptors().frame(), 0},
        {"an L1 in use", window.l1.frame(), 1},
        {"an L2 in use", window.l2.frame(), 2},
        {"an L3 in use", window.l3.frame(), 3},
        {"the root in use", root_table().frame(), 4},
        {"the L1 of the stack", place_of(&window).table.frame(), 1},
        {"a pinned L1", pinned_table(1).frame(), 1},
        {"a pinned L2", pinned_table(2).frame(), 2},
        {"a pinned L3", pinned_table(3).frame(), 3},
        {"a pinned L4", pinned_table(4).frame(), 4},
    };
    check_refused(frames);
    for (Used const& used : frames)
        if (used.frame != root_table().frame())
            unpin(used.frame);
    sandbox().clear();
    check_sanity();
}

TEST("nor is it by an entry: tables are hooked one level below, and only the lowest maps memory to write") {
    Window const& window = sandbox().window();
    Page const tables[] = {pinned_table(1), pinned_table(2), pinned_table(3), pinned_table(4)};
    Place const places[] = {{window.l1, 9}, {window.l2, 9}, {window.l3, 9}, {root_table(), kFreeRootSlot}};
    for (unsigned place = 1; place <= 4; ++place)
        for (unsigned table = 1; table <= 4; ++table) {
            std::int64_t const got =
                update_entry(places[place - 1].address(), entry(tables[table - 1].frame(), kTable));
            if ((got == 0) != (table + 1 == place))
                fail(__FILE_NAME__, __LINE__, "in L<place>, a table of level <place - 1>", place, table);
            CHECK_EQ(update_entry(places[place - 1].address(), 0), 0);
        }
    for (Page const table : tables)
        CHECK_EQ(unpin(table.frame()), 0);
    for (Page const table : tables)
        CHECK_EQ(table.make_writable(), 0);
    check_sanity();
}
