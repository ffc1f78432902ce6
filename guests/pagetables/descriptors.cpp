/// Segment descriptors: the guest's own part of the GDT, and an LDT (docs/abi.md §2.7; docs/shadow-paging.md SP-29).
#include "frames.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr std::uint64_t kPresentBit = std::uint64_t{1} << 47;
/// A writable data segment of this privilege (4 GiB, 32 bits) with a base below 4 GiB.
constexpr std::uint64_t data_segment(std::uint32_t base, unsigned privilege = 3) {
    return 0x00cf'9200'0000'ffff | std::uint64_t{privilege} << 45 | std::uint64_t{base & 0xff'ffff} << 16 |
           std::uint64_t{base >> 24} << 56;
}

/// Where FS leads, by what a read through it faults on.
std::uint64_t where_fs_leads() {
    return trap_of([] { read_by_fs(0); }).fault_address;
}

std::uint64_t raw(Page page) { return page.frame().raw(); }

} // namespace

TEST("a page becomes the GDT if nothing maps it writable, and then nothing may") {
    Page const page = fresh_page();
    page[3] = data_segment(0x1230'0000);
    std::uint64_t const frame = raw(page);
    CHECK_EQ(set_gdt(&frame, 16), kEINVAL);
    CHECK_EQ(page.make_read_only(), 0);
    CHECK_EQ(set_gdt(&frame, 16), 0);
    CHECK_EQ(page.make_writable(), kEBUSY);
    CHECK_EQ(pin(1, page.frame()), kEINVAL);
    write_fs(0x1b);
    CHECK_EQ(read_fs(), 0x1b);
    CHECK_EQ(where_fs_leads(), 0x1230'0000);
    write_fs(0);
    CHECK_EQ(set_gdt(nullptr, 0), 0);
    CHECK_EQ(page.make_writable(), 0);
}

TEST("a segment of privilege 0 becomes one of privilege 3") {
    Page const page = fresh_page();
    page[4] = data_segment(0x2340'0000, 0);
    page.make_read_only();
    std::uint64_t const frame = raw(page);
    CHECK_EQ(set_gdt(&frame, 512), 0);
    write_fs(0x23);
    CHECK_EQ(where_fs_leads(), 0x2340'0000);
    write_fs(0);
    CHECK_EQ(set_gdt(nullptr, 0), 0);
}

TEST("a page with a descriptor of the system is refused as GDT") {
    // A busy TSS, an LDT, an interrupt gate, a trap gate.
    for (std::uint64_t const bad :
         {0x0000'8b00'0000'0067, 0x0000'8200'0000'ffff, 0x0000'ee00'0000'0000, 0x0000'ef00'0000'0000}) {
        Page const page = fresh_page();
        page[100] = bad;
        page.make_read_only();
        std::uint64_t const frame = raw(page);
        CHECK_EQ(set_gdt(&frame, 512), kEINVAL);
        CHECK_EQ(page.make_writable(), 0);
    }
}

TEST("a GDT of too many entries, or of frames that are not the guest's, is refused") {
    std::uint64_t frames[16] = {somebody_elses_frame().raw()};
    CHECK_EQ(set_gdt(frames, 512), kEINVAL);
    frames[0] = ~std::uint64_t{0};
    CHECK_EQ(set_gdt(frames, 512), kEINVAL);
    CHECK_EQ(set_gdt(frames, 7169), kEINVAL);
    CHECK_EQ(set_gdt(reinterpret_cast<std::uint64_t*>(0x1000), 512), kEFAULT);
}

TEST("the hypervisor's own selectors are there whatever the GDT") {
    CHECK_EQ(trap_of([] { write_ds(FLAT_KERNEL_SS); }).vector, kNoTrap);
    CHECK_EQ(read_ds(), FLAT_KERNEL_SS);
    write_ds(0);
}

TEST("update_descriptor changes a descriptor in use, and one in ordinary memory") {
    Page const page = fresh_page();
    page[3] = data_segment(0x1000'0000);
    CHECK_EQ(update_descriptor(page.address_of(5), data_segment(0x3450'0000)), 0);
    CHECK(page[5] != 0);
    page.make_read_only();
    std::uint64_t const frame = raw(page);
    CHECK_EQ(set_gdt(&frame, 512), 0);
    CHECK_EQ(update_descriptor(page.address_of(3), data_segment(0x4560'0000)), 0);
    write_fs(0x1b);
    CHECK_EQ(where_fs_leads(), 0x4560'0000);
    write_fs(0x2b);
    CHECK_EQ(where_fs_leads(), 0x3450'0000);
    CHECK_EQ(update_descriptor(page.address_of(3), 0), 0);
    CHECK_EQ(trap_of([] { write_fs(0x1b); }).error_code, 0x18);
    CHECK_EQ(update_descriptor(page.address_of(3), data_segment(0) & ~kPresentBit), 0);
    CHECK_EQ(trap_of([] { write_fs(0x1b); }).vector, kSegmentNotPresent);
    write_fs(0);
    CHECK_EQ(set_gdt(nullptr, 0), 0);
}

TEST("update_descriptor refuses what set_gdt would, an address that is no descriptor's, and a page that is a table") {
    Page const page = fresh_page();
    CHECK_EQ(update_descriptor(page.address_of(0), 0x0000'8b00'0000'0067), kEINVAL); // a TSS
    CHECK_EQ(update_descriptor(page.address() + 4, 0), kEINVAL);
    CHECK_EQ(update_descriptor(somebody_elses_frame().raw() << 12, 0), kEINVAL);
    CHECK_EQ(update_descriptor(root_table().address(), 0), kEINVAL);
    CHECK_EQ(update_descriptor(std::uint64_t{1} << 51, 0), kEINVAL);
}

TEST("an LDT is set by its address; its pages become descriptors when they are used") {
    Page const page = fresh_page();
    page[2] = data_segment(0x5670'0000);
    CHECK_EQ(page.make_read_only(), 0);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, page.va(), 512), 0);
    write_fs(0x17); // entry 2, of the LDT, privilege 3
    CHECK_EQ(where_fs_leads(), 0x5670'0000);
    CHECK_EQ(page.make_writable(), kEBUSY);
    CHECK_EQ(update_descriptor(page.address_of(2), data_segment(0x6780'0000)), 0);
    write_fs(0x17);
    CHECK_EQ(where_fs_leads(), 0x6780'0000);
    write_fs(0);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    CHECK_EQ(trap_of([] { write_fs(0x17); }).error_code, 0x14);
    CHECK_EQ(page.make_writable(), 0);
}

TEST("an LDT that lies across a page's border or is too long is refused") {
    Page const page = fresh_page();
    page.make_read_only();
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, page.va() + 8, 1), kEINVAL);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, page.va(), 8193), kEINVAL);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0xffff'8300'0000'0000, 1), kEINVAL);
}

TEST("an LDT page that is mapped writable, or is not there, faults when a selector leads to it") {
    Page const page = fresh_page();
    page[2] = data_segment(0);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, page.va(), 1024), 0); // the second page: whatever follows, writable as well
    Caught const trap = trap_of([] { write_fs(0x17); });
    CHECK_EQ(trap.vector, kPageFault);
    CHECK_EQ(trap.fault_address, page.va() + 2 * 8);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    CHECK_EQ(read_fs(), 0);
}
