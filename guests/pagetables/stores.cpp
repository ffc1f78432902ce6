/// Plain stores to a lowest-level table in use: it is mapped read-only, the store faults, and the hypervisor does it
/// (docs/abi.md §2.3). Linux relies on each of these forms.
#include "lib/stores.hpp"
#include "frames.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr Entry kKept = kFrameBits | kNoExecute | kPresent | kRw | kAccessed | kDirty;

/// Two pages to tell apart, and an L1 in use, through whose read-only mapping entries are stored.
struct Stores {
    Window window = make_window();
    Page first = fresh_page(), second = fresh_page();

    Stores() {
        first[0] = 1;
        second[0] = 2;
    }
    [[nodiscard]] Entry* slot(unsigned index) const { return window.l1.entries() + index; }
    [[nodiscard]] std::uint64_t seen(unsigned index) const {
        flush_page(window.va(index));
        return window.at(index);
    }
    [[nodiscard]] bool absent(unsigned index) const {
        flush_page(window.va(index));
        return trap_of([&] { touch(window.at(index)); }).vector == kPageFault;
    }
};

} // namespace

TEST("MOV of a register: an entry appears, changes, goes") {
    Stores const s;
    Entry volatile* const slot = s.slot(4);
    *slot = entry(s.first.frame(), kReadOnly);
    CHECK_EQ(s.seen(4), 1);
    *slot = entry(s.second.frame(), kWritable);
    CHECK_EQ(s.seen(4), 2);
    CHECK_EQ(*slot & kKept, entry(s.second.frame(), kWritable) & kKept);
    s.window.at(4) = 3;
    CHECK_EQ(s.second[0], 3);
    *slot = 0;
    CHECK(s.absent(4));
}

TEST("MOV of an immediate value, extended by its sign") {
    Stores const s;
    *s.slot(0) = entry(s.first.frame(), kReadOnly);
    store_immediate<0>(s.slot(0));
    CHECK_EQ(*s.slot(0), 0);
    CHECK(s.absent(0));
    store_immediate<-2>(s.slot(0));
    CHECK_EQ(*s.slot(0), ~std::uint64_t{1});
}

TEST("XCHG: the old entry comes back") {
    Stores const s;
    *s.slot(0) = entry(s.first.frame(), kReadOnly);
    CHECK_EQ(exchange(s.slot(0), entry(s.second.frame(), kReadOnly)) & kKept,
             entry(s.first.frame(), kReadOnly) & kKept);
    CHECK_EQ(s.seen(0), 2);
    CHECK_EQ(exchange(s.slot(0), 0) & kKept, entry(s.second.frame(), kReadOnly) & kKept);
    CHECK(s.absent(0));
}

TEST("LOCK CMPXCHG: done if the entry is what was thought, and says so") {
    Stores const s;
    *s.slot(0) = entry(s.first.frame(), kReadOnly);
    Entry const fresh = entry(s.second.frame(), kReadOnly);
    Entry expected = 0;
    CHECK(!compare_exchange(s.slot(0), expected, fresh));
    CHECK_EQ(expected, *s.slot(0));
    CHECK_EQ(s.seen(0), 1);
    CHECK(compare_exchange(s.slot(0), expected, fresh));
    CHECK_EQ(s.seen(0), 2);
}

TEST("LOCK AND of one byte takes the write permission away") {
    Stores const s;
    *s.slot(0) = entry(s.first.frame(), kWritable);
    s.window.at(0) = 1;
    and_first_byte<0xff - kRw>(s.slot(0));
    CHECK_EQ(*s.slot(0) & kKept, entry(s.first.frame(), kReadOnly | kDirty) & kKept);
    flush_page(s.window.va(0));
    CHECK_EQ(trap_of([&] { s.window.at(0) = 5; }).error_code, kFaultPresent | kFaultWrite);
    CHECK_EQ(s.first[0], 1);
}

TEST("LOCK OR of one byte gives it back") {
    Stores const s;
    *s.slot(0) = entry(s.first.frame(), kReadOnly);
    or_first_byte<kRw>(s.slot(0));
    flush_page(s.window.va(0));
    s.window.at(0) = 5;
    CHECK_EQ(s.first[0], 5);
}

TEST("LOCK BTR and LOCK BTS: the bit as it was is in the carry flag") {
    Stores const s;
    *s.slot(0) = entry(s.first.frame(), kReadOnly);
    CHECK(reset_bit_immediate<5>(s.slot(0)));
    CHECK(!set_bit_immediate<1>(s.slot(0)));
    CHECK(set_bit(s.slot(0), 1));
    flush_page(s.window.va(0));
    s.window.at(0) = 7;
    CHECK_EQ(s.first[0], 7);
    CHECK(reset_bit(s.slot(0), 0));
    CHECK(s.absent(0));
}

TEST("the same with a DS prefix, which stands where LOCK was, on a kernel with one processor") {
    Stores const s;
    *s.slot(0) = entry(s.first.frame(), kWritable);
    and_first_byte<0xff - kRw, Prefix::ds>(s.slot(0));
    CHECK_EQ(*s.slot(0) & kRw, 0);
    CHECK(!set_bit<Prefix::ds>(s.slot(0), 1));
    CHECK_EQ(*s.slot(0) & kRw, kRw);
    Entry expected = *s.slot(0);
    CHECK(compare_exchange<Prefix::ds>(s.slot(0), expected, entry(s.second.frame(), kReadOnly)));
    CHECK_EQ(s.seen(0), 2);
    CHECK(reset_bit<Prefix::ds>(s.slot(0), 0));
    CHECK(s.absent(0));
}

TEST("ADD, SUB, XOR, INC and XADD leave the entry and the flags that they would anywhere") {
    Stores const s;
    Entry volatile& slot = *s.slot(0);
    slot = 0x10; // bit 0 stays clear: what is not present may be any number
    add(s.slot(0), 0x20);
    CHECK_EQ(slot, 0x30);
    CHECK(subtract(s.slot(0), 0x30));
    exclusive_or(s.slot(0), 0x1234'5678'9abc'def0);
    CHECK_EQ(slot, 0x1234'5678'9abc'def0);
    increment_second_byte(s.slot(0));
    CHECK_EQ(slot, 0x1234'5678'9abc'dff0);
    CHECK_EQ(exchange_add(s.slot(0), 0x10), 0x1234'5678'9abc'dff0);
    CHECK_EQ(slot, 0x1234'5678'9abc'e000);
}

TEST("stores of one, two and four bytes change just those") {
    Stores const s;
    *s.slot(0) = 0;
    auto* const bytes = reinterpret_cast<std::uint8_t volatile*>(s.slot(0));
    bytes[7] = 0x80;
    CHECK_EQ(*s.slot(0), 0x8000'0000'0000'0000);
    *reinterpret_cast<std::uint16_t volatile*>(bytes + 2) = 0x1234;
    CHECK_EQ(*s.slot(0), 0x8000'0000'1234'0000);
    *reinterpret_cast<std::uint32_t volatile*>(bytes + 4) = 0x0000'1111;
    CHECK_EQ(*s.slot(0), 0x0000'1111'1234'0000);
    // An entry in two halves, as 32-bit code would write it: what is whole last makes it present.
    Entry const whole = entry(s.first.frame(), kReadOnly);
    *reinterpret_cast<std::uint32_t volatile*>(bytes + 4) = static_cast<std::uint32_t>(whole >> 32);
    *reinterpret_cast<std::uint32_t volatile*>(bytes) = static_cast<std::uint32_t>(whole);
    CHECK_EQ(s.seen(0), 1);
}

TEST("addresses of every form: with index, with displacement, by any register") {
    Stores const s;
    Entry const value = 0x4444'0000;
    store_indexed(s.slot(2), 3, value);
    CHECK_EQ(*s.slot(5), value);
    store_displaced(s.slot(7), value);
    CHECK_EQ(*s.slot(9), value);
    store_by_r12(s.slot(10), value);
    CHECK_EQ(*s.slot(10), value);
    store_by_r13(s.slot(11), value);
    CHECK_EQ(*s.slot(11), value);
    store_far_below(s.slot(12), value);
    CHECK_EQ(*s.slot(12), value);
}

TEST("an entry that hypercalls would refuse makes the store a page fault, and is not written") {
    Stores const s;
    *s.slot(0) = entry(s.first.frame(), kReadOnly);
    for (Entry const bad : {entry(root_table().frame(), kWritable), entry(somebody_elses_frame(), kReadOnly)}) {
        Caught const trap = trap_of([&] { *const_cast<Entry volatile*>(s.slot(0)) = bad; });
        CHECK_EQ(trap.vector, kPageFault);
        CHECK_EQ(trap.error_code, kFaultPresent | kFaultWrite);
        CHECK_EQ(trap.fault_address, word(s.slot(0)));
        CHECK_EQ(s.seen(0), 1);
    }
}

TEST("only the lowest level is stored to so: a store to a table above it is a page fault") {
    Stores const s;
    for (Page const table : {s.window.l2, s.window.l3, root_table()}) {
        Entry const before = table[0];
        CHECK_EQ(trap_of([&] { table[0] = 0; }).error_code, kFaultPresent | kFaultWrite);
        CHECK_EQ(table[0], before);
    }
}

TEST("a store to a read-only page that is no table is a page fault") {
    Page const page = fresh_page();
    page.make_read_only();
    CHECK_EQ(trap_of([&] { page[0] = 1; }).error_code, kFaultPresent | kFaultWrite);
    CHECK_EQ(page[0], 0);
}

TEST("user mode does not store to tables") {
    Stores const s;
    use_user_mode();
    Caught const trap = user_trap_of([&] { *const_cast<Entry volatile*>(s.slot(0)) = 0; });
    CHECK_EQ(trap.vector, kPageFault);
    CHECK_EQ(trap.error_code, kFaultPresent | kFaultWrite | kFaultUser);
}

TEST("a table that is pinned but hooked nowhere is stored to in the same way") {
    Page const table = fresh_page(), page = fresh_page();
    table.make_read_only();
    CHECK_EQ(pin(1, table.frame()), 0);
    table[0] = entry(page.frame(), kWritable);
    CHECK_EQ(table[0] & kKept, entry(page.frame(), kWritable) & kKept);
    // Its entry is a writable mapping like any other.
    page.make_read_only();
    CHECK_EQ(pin(1, page.frame()), kEINVAL);
    table[0] = 0;
    CHECK_EQ(pin(1, page.frame()), 0);
    CHECK_EQ(unpin(page.frame()), 0);
    CHECK_EQ(unpin(table.frame()), 0);
}
