/// A kernel of the older kind: it makes its hypercalls through the page that it names in its notes, and, as Linux, wants
/// the list of its frames outside the initial mapping (INIT_P2M).
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

extern "C" std::byte hypercall_page[kPageSize];

namespace {

/// Through the page, every register but RAX and those of the arguments comes back, RCX and R11 as well.
std::int64_t page_hypercall(unsigned number, std::uint64_t a, void* b, std::uint64_t& rcx, std::uint64_t& r11) {
    std::int64_t result;
    register std::uint64_t in_r11 asm("r11") = r11;
    asm volatile("call *%[stub]"
                 : "=a"(result), "+D"(a), "+S"(b), "+c"(rcx), "+r"(in_r11)
                 : [stub] "b"(hypercall_page + number * 32)
                 : "memory");
    r11 = in_r11;
    return result;
}

} // namespace

TEST("the hypercall page makes hypercalls") {
    std::uint64_t rcx = 0x1234, r11 = 0x5678;
    CHECK_EQ(page_hypercall(__HYPERVISOR_xen_version, XENVER_version, nullptr, rcx, r11), (4 << 16) | 17);
    CHECK_EQ(page_hypercall(63, 0, nullptr, rcx, r11), kENOSYS);
}

TEST("a stub of the page keeps rcx and r11, which a bare SYSCALL destroys") {
    std::uint64_t rcx = 0x1234, r11 = 0x5678;
    page_hypercall(__HYPERVISOR_xen_version, XENVER_version, nullptr, rcx, r11);
    CHECK_EQ(rcx, 0x1234);
    CHECK_EQ(r11, 0x5678);
}

TEST("the page's iret takes its frame from the stack, with rcx, r11 and rax as they are") {
    // The stub pushes rcx, r11 and rax itself: it is jumped to, with flags, rip, cs, rflags, rsp, ss on the stack.
    std::uint64_t rax = 0xaaaa, rcx = 0xcccc;
    asm volatile("mov %%rsp, %%rdx\n\t"
                 "push %[ss]\n\t"
                 "push %%rdx\n\t"
                 "push %[rflags]\n\t"
                 "push %[cs]\n\t"
                 "lea 1f(%%rip), %%rdx\n\t"
                 "push %%rdx\n\t"
                 "push $0\n\t"
                 "jmp *%[stub]\n"
                 "1:"
                 : "+a"(rax), "+c"(rcx)
                 : [stub] "b"(hypercall_page + __HYPERVISOR_iret * 32), [ss] "r"(std::uint64_t{FLAT_KERNEL_SS}),
                   [cs] "r"(std::uint64_t{FLAT_KERNEL_CS & ~3}), [rflags] "r"(std::uint64_t{2})
                 : "rdx", "r11", "memory");
    CHECK_EQ(rax, 0xaaaa);
    CHECK_EQ(rcx, 0xcccc);
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
