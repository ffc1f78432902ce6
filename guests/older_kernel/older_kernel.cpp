/// A kernel of the older kind: it makes its hypercalls through the page that it names in its notes, and, as Linux, wants
/// the list of its frames outside the initial mapping (INIT_P2M).
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

extern "C" std::byte hypercall_page[kPageSize];

namespace {

/// A call of the page's stub with that number, with these registers; when it returns, it comes to UD2.
Caught call_stub(unsigned number, Trap start) {
    start.rip = word(hypercall_page + number * 32);
    *reinterpret_cast<std::uint64_t*>(start.rsp -= 8) = word(&at_ud2);
    return trap_from(start);
}

} // namespace

TEST("the hypercall page makes hypercalls") {
    Trap start = kernel_at(nullptr);
    start.rdi = XENVER_version;
    Caught const known = call_stub(__HYPERVISOR_xen_version, start);
    CHECK_EQ(known.vector, kInvalidOpcode);
    CHECK_EQ(known.rip, word(&at_ud2));
    CHECK_EQ(known.rax, (4 << 16) | 17);
    CHECK_EQ(call_stub(63, start).rax, kENOSYS);
}

TEST("a stub of the page keeps rcx and r11, which a bare SYSCALL destroys") {
    Trap start = kernel_at(nullptr);
    start.rcx = 0x1234;
    start.r11 = 0x5678;
    Caught const trap = call_stub(__HYPERVISOR_xen_version, start);
    CHECK_EQ(trap.rcx, 0x1234);
    CHECK_EQ(trap.r11, 0x5678);
    CHECK_EQ(trap.rsp, start.rsp);
}

TEST("the page's iret is jumped to with flags, rip, cs, rflags, rsp, ss on the stack, and keeps rax, rcx and r11") {
    Trap start = kernel_at(nullptr);
    start.rip = word(hypercall_page + __HYPERVISOR_iret * 32);
    start.rax = 0xaaaa;
    start.rcx = 0xcccc;
    start.r11 = 0xbbbb;
    std::uint64_t const top = start.rsp;
    start.rsp -= 6 * 8;
    auto* const frame = reinterpret_cast<std::uint64_t*>(start.rsp);
    frame[0] = 0;
    frame[1] = word(&at_ud2);
    frame[2] = FLAT_KERNEL_CS & ~3;
    frame[3] = 0;
    frame[4] = top;
    frame[5] = FLAT_KERNEL_SS;
    Caught const trap = trap_from(start);
    CHECK_EQ(trap.rip, word(&at_ud2));
    CHECK_EQ(trap.rsp, top);
    CHECK_EQ(trap.rax, 0xaaaa);
    CHECK_EQ(trap.rcx, 0xcccc);
    CHECK_EQ(trap.r11, 0xbbbb);
}

TEST("the list of frames is where the kernel wants it") {
    CHECK_EQ(startup().mfn_list, 0x80'0000'0000);
    CHECK(startup().nr_p2m_frames >= 4); // a page of list at least, and the three tables that map it
    CHECK(startup().first_p2m_pfn + startup().nr_p2m_frames <= startup().nr_pages);
    CHECK_EQ(page_of(frame_of_pfn(startup().nr_pages - 1)).pfn(), startup().nr_pages - 1);
}

TEST("the list can be written to its last page's end") {
    std::uint64_t const pages = (startup().nr_pages + 511) / 512;
    auto* const list = reinterpret_cast<std::uint64_t*>(startup().mfn_list);
    for (std::uint64_t pfn = startup().nr_pages; pfn < pages * 512; ++pfn)
        list[pfn] = ~std::uint64_t{0};
    CHECK_EQ(list[pages * 512 - 1] | 1, startup().nr_pages % 512 == 0 ? list[pages * 512 - 1] | 1 : ~std::uint64_t{0});
}

TEST("the frames of the list and of the tables that map it are not pinned: once unhooked they are ordinary memory") {
    Place const root_slot = place_of(startup().mfn_list, 4);
    std::uint64_t const slot = root_slot.address();
    Entry const hook = root_slot.read();
    std::uint64_t const first = startup().first_p2m_pfn, count = startup().nr_p2m_frames;
    // The first and the last of them: the list's own, and those of tables.
    static Frame frames[64];
    for (std::uint64_t i = 0; i < 32; ++i) {
        frames[i] = frame_of_pfn(first + i % count);
        frames[63 - i] = frame_of_pfn(first + count - 1 - i % count);
    }
    std::uint64_t const spare = fresh_page().va();
    CHECK_EQ(update_entry(slot, 0), 0); // until it is hooked again, frame_of_pfn would fault
    for (Frame const frame : frames)
        CHECK_EQ(update_va_mapping(spare, entry(frame, kWritable)), 0);
    CHECK_EQ(update_va_mapping(spare, 0), 0);
    // Hooked again, they are tables again.
    CHECK_EQ(update_entry(slot, hook), 0);
    CHECK_EQ(frame_of_pfn(first).raw(), frames[0].raw());
}
