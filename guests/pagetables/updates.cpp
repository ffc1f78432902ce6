/// The hypercalls that change tables: mmu_update, update_va_mapping, multicalls of them, and flushes (docs/abi.md §3.3).
#include "frames.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

/// What a guest can rely on to read back as it wrote it. The hypervisor may add the user and the global bit, and one of
/// the available ones (52).
constexpr Entry kKept = kFrameBits | kNoExecute | kPresent | kRw | kAccessed | kDirty | kAvailable0;

} // namespace

TEST("mmu_update writes an entry, and what it maps is there") {
    Window const window = make_window();
    Page const page = fresh_page();
    page[7] = 0x77;
    CHECK_EQ(window.set(5, entry(page.frame(), kWritable)), 0);
    CHECK_EQ(window.entry(5) & kKept, entry(page.frame(), kWritable) & kKept);
    CHECK_EQ(window.at(5, 56), 0x77);
    window.at(5, 64) = 0x88;
    CHECK_EQ(page[8], 0x88);
    CHECK_EQ(window.set(5, 0), 0);
    flush_page(window.va(5));
    CHECK_EQ(window.entry(5), 0);
    CHECK_EQ(trap_of([&] { touch(window.at(5)); }).vector, kPageFault);
}

TEST("an entry keeps the available bits and NX; the kernel need not say that it is for user mode") {
    Window const window = make_window();
    Page const page = fresh_page();
    for (Entry const bits : {Entry{kPresent | kAccessed}, kReadOnly | kAvailable0, kReadOnly | 0x800,
                             kWritable | kNoExecute, kReadOnly | Entry{1} << 58}) {
        CHECK_EQ(window.set(0, entry(page.frame(), bits)), 0);
        CHECK_EQ(window.entry(0) & (kKept | 0xe00 | Entry{1} << 58), entry(page.frame(), bits) & ~Entry{kUser});
        CHECK_EQ(window.at(0), 0);
    }
}

TEST("an entry that is not present keeps every bit") {
    Window const window = make_window();
    CHECK_EQ(window.set(9, 0xfedc'ba98'7654'3210), 0);
    CHECK_EQ(window.entry(9), 0xfedc'ba98'7654'3210);
}

TEST("mmu_update preserving A and D adds those that the entry has when it is replaced") {
    Window const window = make_window();
    Page const page = fresh_page();
    CHECK_EQ(window.set(0, entry(page.frame(), kWritable)), 0);
    std::uint64_t const address = window.l1.address_of(0);
    CHECK_EQ(update_entry(address | MMU_PT_UPDATE_PRESERVE_AD, entry(page.frame(), kPresent | kUser)), 0);
    CHECK_EQ(window.entry(0) & kKept, entry(page.frame(), kPresent | kAccessed | kDirty));
    CHECK_EQ(update_entry(address, entry(page.frame(), kPresent | kUser)), 0);
    CHECK_EQ(update_entry(address | MMU_PT_UPDATE_PRESERVE_AD, entry(page.frame(), kPresent | kRw | kUser)), 0);
    CHECK_EQ(window.entry(0) & kKept & ~Entry{kAccessed}, entry(page.frame(), kPresent | kRw)); // A may be set early
}

TEST("mmu_update on memory that is no table is a plain write") {
    Page const page = fresh_page();
    CHECK_EQ(update_entry(page.address_of(3), 0x1234'5678'9abc'def0), 0);
    CHECK_EQ(page[3], 0x1234'5678'9abc'def0);
}

TEST("mmu_update refuses an address that is not an entry's, a frame that is not the guest's, an unknown command") {
    Page const page = fresh_page();
    CHECK_EQ(update_entry(page.address_of(0) | 4, 0), kENOSYS); // the low three bits are the command
    CHECK_EQ(update_entry(somebody_elses_frame().raw() << 12, 0), kEINVAL);
    CHECK_EQ(update_entry(std::uint64_t{1} << 51, 0), kEINVAL);
    CHECK_EQ(mmu_updates(reinterpret_cast<mmu_update_t*>(0x1000), 1), kEFAULT);
    CHECK_EQ(update_entry(page.address_of(0), 0, 1234), kESRCH);
}

TEST("an entry for a frame that the guest may not have is refused, and the old one stays") {
    Window const window = make_window();
    Page const page = fresh_page();
    CHECK_EQ(window.set(0, entry(page.frame(), kWritable)), 0);
    CHECK(refused_as_anothers(window.set(0, entry(somebody_elses_frame(), kReadOnly))));
    CHECK_EQ(window.set(0, entry(root_table().frame(), kWritable)), kEBUSY);
    CHECK_EQ(window.set(0, entry(window.l1.frame(), kWritable)), kEBUSY);
    CHECK_EQ(window.set(0, entry(Frame{0xfee00}, kReadOnly)), kEPERM); // the local APIC is the hypervisor's
    CHECK(window.set(0, entry(Frame{(std::uint64_t{1} << 40) - 1}, kReadOnly)) < 0);
    CHECK_EQ(window.entry(0) & kKept, entry(page.frame(), kWritable) & kKept);
    window.at(0) = 1;
    CHECK_EQ(page[0], 1);
}

TEST("dom0 may map what is no RAM: the BIOS") {
    SKIP_UNLESS(is_dom0(), kDom0sOwn);
    Window const window = make_window();
    CHECK_EQ(window.set(0, entry(Frame{0xf0}, kReadOnly)), 0);
    CHECK_EQ(window.set(1, entry(Frame{0xff}, kReadOnly | kWriteThrough | kCacheDisable)), 0);
    CHECK_EQ(window.at<std::uint8_t>(1, 0xff0), 0xea); // the reset vector: a far jump
    CHECK_EQ(window.set(0, 0), 0);
    CHECK_EQ(window.set(1, 0), 0);
}

TEST("mmu_update stops at the first entry that is refused, and says how many were done") {
    Window const window = make_window();
    Page const page = fresh_page();
    mmu_update_t const updates[3] = {{.ptr = window.l1.address_of(0), .val = entry(page.frame(), kReadOnly)},
                                     {.ptr = window.l1.address_of(1), .val = entry(root_table().frame(), kWritable)},
                                     {.ptr = window.l1.address_of(2), .val = entry(page.frame(), kReadOnly)}};
    unsigned done = 99;
    CHECK_EQ(mmu_updates(updates, 3, &done), kEBUSY);
    CHECK_EQ(done, 1);
    CHECK((window.entry(0) & kPresent) != 0);
    CHECK_EQ(window.entry(1), 0);
    CHECK_EQ(window.entry(2), 0);
    done = 99;
    CHECK_EQ(mmu_updates(updates, 0, &done), 0);
    CHECK_EQ(done, 0);
}

TEST(
    "mmu_update changes the machine-to-phys table, for frames of the guest; one that all domUs see says what it says") {
    Page const page = fresh_page();
    Frame const frame = page.frame();
    CHECK_EQ(update_entry(frame.raw() << 12 | MMU_MACHPHYS_UPDATE, 0x1234),
             is_translated() ? std::int64_t{kEINVAL} : 0);
    CHECK_EQ(page_of(frame).pfn(), is_translated() ? page.pfn() : 0x1234);
    CHECK_EQ(update_entry(frame.raw() << 12 | MMU_MACHPHYS_UPDATE, page.pfn()), 0);
    CHECK_EQ(update_entry(somebody_elses_frame().raw() << 12 | MMU_MACHPHYS_UPDATE, 0), kEINVAL);
}

TEST("tables above the lowest are changed while the guest runs on them") {
    Window const window = make_window();
    Page const other = fresh_page(), page = fresh_page();
    other[0] = entry(page.frame(), kReadOnly);
    other.make_read_only();
    page[0] = 0x55;
    std::uint64_t const second = window.base + (std::uint64_t{1} << 21);
    CHECK_EQ(update_entry(window.l2.address_of(1), entry(other.frame(), kTable)), 0);
    CHECK_EQ(*reinterpret_cast<std::uint64_t volatile*>(second), 0x55);
    CHECK_EQ(other.make_writable(), kEBUSY); // it is a table now
    CHECK_EQ(update_entry(window.l2.address_of(1), 0), 0);
    flush_tlb();
    CHECK_EQ(trap_of([&] { touch(*reinterpret_cast<char volatile*>(second)); }).vector, kPageFault);
    CHECK_EQ(other.make_writable(), 0);
    // An entry that leads to what cannot be a table of that level is refused.
    CHECK_EQ(update_entry(window.l2.address_of(1), entry(other.frame(), kTable)), kEINVAL);
    CHECK_EQ(update_entry(window.l3.address_of(1), entry(window.l1.frame(), kTable)), kEINVAL);
    CHECK_EQ(update_entry(root_table().address_of(400), entry(window.l2.frame(), kTable)), kEINVAL);
}

TEST("one table may be hooked in several places, and is a table until it is unhooked from the last") {
    Window const window = make_window();
    Page const page = fresh_page();
    page[0] = 0x66;
    CHECK_EQ(window.set(3, entry(page.frame(), kReadOnly)), 0);
    // The same L1 in another slot of the L2, the same L2 in another of the L3, the same L3 in another of the root.
    CHECK_EQ(update_entry(window.l2.address_of(7), entry(window.l1.frame(), kTable)), 0);
    CHECK_EQ(update_entry(window.l3.address_of(9), entry(window.l2.frame(), kTable)), 0);
    CHECK_EQ(update_entry(root_table().address_of(window.root_slot + 100), entry(window.l3.frame(), kTable)), 0);
    std::uint64_t const far =
        window.base + (std::uint64_t{100} << 39) + (std::uint64_t{9} << 30) + (7 << 21) + 3 * kPageSize;
    CHECK_EQ(*reinterpret_cast<std::uint64_t volatile*>(far), 0x66);
    CHECK_EQ(window.at(3), 0x66);
    // A change of it is seen in all of them.
    Page const next = fresh_page();
    next[0] = 0x99;
    CHECK_EQ(window.set(3, entry(next.frame(), kReadOnly)), 0);
    flush_tlb();
    CHECK_EQ(*reinterpret_cast<std::uint64_t volatile*>(far), 0x99);
    CHECK_EQ(window.at(3), 0x99);

    CHECK_EQ(update_entry(root_table().address_of(window.root_slot), 0), 0);
    CHECK_EQ(window.l3.make_writable(), kEBUSY);
    CHECK_EQ(update_entry(root_table().address_of(window.root_slot + 100), 0), 0);
    flush_tlb();
    for (Page const table : {window.l3, window.l2, window.l1})
        CHECK_EQ(table.make_writable(), 0);
}

TEST("the hypervisor's slots of a root cannot be written; what they say is not the guest's matter") {
    for (unsigned const slot : {256U, 257U, 260U, 271U})
        CHECK_EQ(update_entry(root_table().address_of(slot), 0), kEINVAL);
}

TEST("update_va_mapping writes the entry that maps an address, if there is a table for it") {
    Window const window = make_window();
    Page const page = fresh_page();
    page[0] = 0x42;
    CHECK_EQ(update_va_mapping(window.va(8) + 0x123, entry(page.frame(), kReadOnly), UVMF_NONE), 0);
    CHECK_EQ(window.at(8), 0x42);
    CHECK_EQ(update_va_mapping(window.base + (std::uint64_t{1} << 21), 0), kEINVAL);
    CHECK_EQ(update_va_mapping(window.base + (std::uint64_t{1} << 39), 0), kEINVAL);
    CHECK_EQ(update_va_mapping(0xffff'8300'0000'0000, 0), kEINVAL);
    CHECK(refused_as_anothers(update_va_mapping(window.va(8), entry(somebody_elses_frame(), kReadOnly))));
    CHECK_EQ(window.at(8), 0x42);
}

TEST("update_va_mapping flushes as it is told") {
    Window const window = make_window();
    Page const pages[2] = {fresh_page(), fresh_page()};
    pages[0][0] = 0x10;
    pages[1][0] = 0x11;
    std::uint64_t const self = 1; // a bitmap of vCPUs
    std::uint64_t const ways[] = {UVMF_INVLPG | UVMF_LOCAL,  UVMF_INVLPG | UVMF_ALL,    UVMF_TLB_FLUSH | UVMF_LOCAL,
                                  UVMF_TLB_FLUSH | UVMF_ALL, UVMF_INVLPG | word(&self), UVMF_TLB_FLUSH | word(&self)};
    for (unsigned i = 0; i < 6; ++i) {
        CHECK_EQ(update_va_mapping(window.va(0), entry(pages[i % 2].frame(), kReadOnly), ways[i]), 0);
        CHECK_EQ(window.at(0), 0x10 + i % 2);
    }
    CHECK_EQ(update_va_mapping(window.va(0), 0, UVMF_NONE), 0);
    flush_page(window.va(0));
    CHECK_EQ(trap_of([&] { touch(window.at(0)); }).vector, kPageFault);
}

TEST("update_va_mapping_otherdomain takes the frame from the domain that it names: oneself, the devices, none") {
    Window const window = make_window();
    Page const page = fresh_page();
    page[0] = 0x1234;
    CHECK_EQ(update_va_mapping_otherdomain(window.va(0), entry(page.frame(), kReadOnly), DOMID_SELF), 0);
    CHECK_EQ(window.at(0), 0x1234);
    CHECK_EQ(update_va_mapping_otherdomain(window.va(0), 0, DOMID_SELF), 0);
    CHECK_EQ(trap_of([&] { touch(window.at(0)); }).vector, kPageFault);
    auto const bios = update_va_mapping_otherdomain(window.va(0), entry(Frame{0xf0}, kReadOnly), DOMID_IO);
    CHECK_EQ(bios, unless_domu(0));
    if (bios == 0)
        touch(window.at(0));
    CHECK_EQ(update_va_mapping_otherdomain(window.va(0), 0, DOMID_SELF), 0);
    CHECK(update_va_mapping_otherdomain(window.va(0), entry(page.frame(), kReadOnly), DOMID_IO) < 0);
    CHECK_EQ(update_va_mapping_otherdomain(window.va(0), entry(page.frame(), kReadOnly), 1234), kESRCH);
    CHECK_EQ(window.entry(0), 0);
}

TEST("the caches can be written back, for this CPU and for all; not by a domU, which has no device") {
    CHECK_EQ(mmuext(MMUEXT_FLUSH_CACHE), unless_domu(0));
    CHECK_EQ(mmuext(MMUEXT_FLUSH_CACHE_GLOBAL), unless_domu(0));
}

TEST("every flush of mmuext_op does its work") {
    Window const window = make_window();
    Page const pages[2] = {fresh_page(), fresh_page()};
    pages[0][0] = 0x20;
    pages[1][0] = 0x21;
    std::uint64_t const self = 1;
    struct {
        unsigned command;
        std::uint64_t arg1, arg2;
    } const flushes[] = {{MMUEXT_TLB_FLUSH_LOCAL, 0, 0},
                         {MMUEXT_INVLPG_LOCAL, window.va(0), 0},
                         {MMUEXT_TLB_FLUSH_MULTI, 0, word(&self)},
                         {MMUEXT_INVLPG_MULTI, window.va(0), word(&self)},
                         {MMUEXT_TLB_FLUSH_ALL, 0, 0},
                         {MMUEXT_INVLPG_ALL, window.va(0), 0}};
    unsigned turn = 0;
    for (auto const& flush : flushes) {
        CHECK_EQ(window.set(0, entry(pages[turn % 2].frame(), kReadOnly)), 0);
        CHECK_EQ(mmuext(flush.command, flush.arg1, flush.arg2), 0);
        CHECK_EQ(window.at(0), 0x20 + turn++ % 2);
    }
}

TEST("a table may be unpinned and its pages mapped writable in the same multicall") {
    Page const lower = fresh_page(), upper = fresh_page();
    upper[0] = entry(lower.frame(), kTable);
    lower.make_read_only();
    upper.make_read_only();
    CHECK_EQ(pin(2, upper.frame()), 0);

    struct mmuext_op operation {};
    operation.cmd = MMUEXT_UNPIN_TABLE;
    operation.arg1.mfn = upper.frame().raw();
    multicall_entry calls[3] = {};
    calls[0] = {.op = __HYPERVISOR_mmuext_op, .result = 1, .args = {word(&operation), 1, 0, DOMID_SELF}};
    calls[1] = {.op = __HYPERVISOR_update_va_mapping,
                .result = 1,
                .args = {upper.va(), entry(upper.frame(), kWritable), UVMF_INVLPG}};
    calls[2] = {.op = __HYPERVISOR_update_va_mapping,
                .result = 1,
                .args = {lower.va(), entry(lower.frame(), kWritable), UVMF_INVLPG}};
    CHECK_EQ(multicall(calls, 3), 0);
    for (auto const& call : calls)
        CHECK_EQ(call.result, 0);
    lower[0] = 1;
    upper[0] = 1;
}

TEST("a multicall goes on after an entry that is refused, and is not done within another") {
    multicall_entry inner{.op = __HYPERVISOR_xen_version, .result = 0, .args = {XENVER_version}};
    multicall_entry calls[3] = {};
    calls[0] = {.op = 63, .result = 0, .args = {}};
    calls[1] = {.op = __HYPERVISOR_multicall, .result = 0, .args = {word(&inner), 1}};
    calls[2] = {.op = __HYPERVISOR_xen_version, .result = 0, .args = {XENVER_version}};
    CHECK_EQ(multicall(calls, 3), 0);
    CHECK_EQ(calls[0].result, kENOSYS);
    CHECK_EQ(calls[1].result, kEINVAL);
    CHECK_EQ(calls[2].result, (4 << 16) | 17);
    CHECK_EQ(multicall(reinterpret_cast<multicall_entry*>(0x1000), 1), kEFAULT);
    CHECK_EQ(multicall(nullptr, 0), 0);
}

TEST("a page that turns into a table cannot be written through a mapping that was writable before") {
    Window const window = make_window();
    Page const page = fresh_page();
    CHECK_EQ(window.set(0, entry(page.frame(), kWritable)), 0);
    window.at(0) = 0; // the translation is cached
    CHECK_EQ(update_va_mapping(page.va(), entry(page.frame(), kReadOnly), UVMF_NONE), 0);
    CHECK_EQ(window.set(0, entry(page.frame(), kReadOnly)), 0); // and no flush asked for
    CHECK_EQ(pin(1, page.frame()), 0);
    // A store is emulated, and refused, or faults: it is never simply done.
    CHECK_EQ(trap_of([&] { window.at(0) = entry(root_table().frame(), kWritable); }).vector, kPageFault);
    CHECK_EQ(page[0], 0);
    CHECK_EQ(unpin(page.frame()), 0);
}

TEST("a page is cleared and copied by mmuext_op, unless it is a table or another's") {
    Page const first = fresh_pages(2), second{first.pfn() + 1};
    first[511] = 0x1234;
    CHECK_EQ(mmuext(MMUEXT_COPY_PAGE, second.frame().raw(), first.frame().raw()), 0);
    CHECK_EQ(second[511], 0x1234);
    CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, second.frame().raw()), 0);
    CHECK_EQ(second[511], 0);
    CHECK_EQ(mmuext(MMUEXT_COPY_PAGE, second.frame().raw(), root_table().frame().raw()), 0); // it may read them
    CHECK_EQ(mmuext(MMUEXT_COPY_PAGE, root_table().frame().raw(), second.frame().raw()), kEINVAL);
    CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, root_table().frame().raw()), kEINVAL);
    CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, std::uint64_t{1} << 40), kEINVAL);
    CHECK_EQ(mmuext(MMUEXT_MARK_SUPER, second.frame().raw()), kEOPNOTSUPP);
}
