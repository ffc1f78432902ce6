/// The Accessed and Dirty bits in the guest's own entries behave as the processor's (docs/shadow-paging.md SP-15, SP-16).
/// A may be set earlier than needed: a processor may do that too. D never is.
#include "lib/memory.hpp"
#include "lib/stores.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr Entry kBoth = kAccessed | kDirty;

/// One page mapped by an entry with these bits.
struct Mapped {
    Window window = make_window();
    Page page = fresh_page();

    explicit Mapped(Entry bits) { window.set(0, entry(page.frame(), bits)); }
    [[nodiscard]] Entry bits() const { return window.entry(0) & kBoth; }
    void read() const { touch(window.at(0)); }
    void write() const { window.at(0) = 1; }
    /// As Linux does: one locked store that is emulated, and a flush.
    void clear(unsigned bit) const {
        reset_bit(window.l1.entries(), bit);
        flush_page(window.va(0));
    }
};

constexpr unsigned kAccessedBit = 5, kDirtyBit = 6;

} // namespace

TEST("a read sets A and not D") {
    Mapped const m{kPresent | kRw | kUser};
    m.read();
    CHECK_EQ(m.bits(), kAccessed);
}

TEST("a write sets A and D") {
    Mapped const m{kPresent | kRw | kUser};
    m.write();
    CHECK_EQ(m.bits(), kBoth);
}

TEST("a fetch sets A") {
    Mapped const m{kPresent | kUser};
    *reinterpret_cast<std::uint8_t*>(m.page.va()) = 0xc3; // RET
    reinterpret_cast<void (*)()>(m.window.va(0))();
    CHECK_EQ(m.bits(), kAccessed);
}

TEST("D that the guest clears is set by the next write, and only by that") {
    Mapped const m{kWritable};
    for (unsigned round = 0; round < 3; ++round) {
        m.clear(kDirtyBit);
        CHECK_EQ(m.bits() & kDirty, 0);
        m.read();
        CHECK_EQ(m.bits() & kDirty, 0);
        m.write();
        CHECK_EQ(m.bits(), kBoth);
    }
}

TEST("A that the guest clears is set by the next access") {
    Mapped const m{kWritable};
    for (unsigned round = 0; round < 3; ++round) {
        m.clear(kAccessedBit);
        CHECK_EQ(m.bits() & kAccessed, 0);
        m.read();
        CHECK_EQ(m.bits() & kAccessed, kAccessed);
        m.clear(kAccessedBit);
        m.write();
        CHECK_EQ(m.bits(), kBoth);
    }
}

TEST("a write that is refused sets no D") {
    Mapped const m{kPresent | kUser | kAccessed};
    CHECK_EQ(trap_of([&] { m.write(); }).vector, kPageFault);
    CHECK_EQ(m.bits() & kDirty, 0);
}

TEST("an access sets A at every level") {
    Mapped const m{kWritable};
    m.read();
    CHECK((m.window.l2[0] & kAccessed) != 0);
    CHECK((m.window.l3[0] & kAccessed) != 0);
    CHECK((root_table()[m.window.root_slot] & kAccessed) != 0);
}

TEST("what the hypervisor writes for the guest through a mapping sets D as well") {
    Mapped const m{kPresent | kRw | kUser};
    CHECK_EQ(xen_version(XENVER_extraversion, const_cast<std::uint64_t*>(&m.window.at(0))), 0);
    CHECK_EQ(m.bits(), kBoth);
    m.clear(kDirtyBit);
    CHECK_EQ(xen_version(XENVER_extraversion, const_cast<std::uint64_t*>(&m.window.at(0))), 0);
    CHECK_EQ(m.bits(), kBoth);
}

TEST("two mappings of a page have each its own D") {
    Mapped const m{kPresent | kRw | kUser};
    CHECK_EQ(m.window.set(1, entry(m.page.frame(), kPresent | kRw | kUser)), 0);
    m.window.at(1) = 1;
    CHECK_EQ(m.bits() & kDirty, 0);
    CHECK_EQ(m.window.entry(1) & kBoth, kBoth);
}

TEST("read-modify-write by the hypervisor keeps what the processor set meanwhile: PRESERVE_AD from writable to not") {
    Mapped const m{kPresent | kRw | kUser};
    m.write();
    CHECK_EQ(
        update_entry(m.window.l1.address_of(0) | MMU_PT_UPDATE_PRESERVE_AD, entry(m.page.frame(), kPresent | kUser)),
        0);
    CHECK_EQ(m.bits(), kBoth);
    flush_page(m.window.va(0));
    CHECK_EQ(trap_of([&] { m.write(); }).vector, kPageFault);
}
