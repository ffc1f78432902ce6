/// Too much of what is allowed: events, calls without end, tables wherever there is memory. The guest has what it pays for; who
/// watches it from outside sees whether the others still have theirs.
#include "lib/events.hpp"
#include "lib/test.hpp"
#include "sandbox.hpp"

using namespace lib;

TEST("a storm of events, to oneself and to whom one may send") {
    auto const own = static_cast<Port>(bind_ipi(0));
    set_masked(own, true);
    for (unsigned i = 0; i < 200'000; ++i)
        if (send(own) != 0 || (!is_dom0() && send(startup().store_evtchn) != 0 && i == 0))
            return fail(__FILE_NAME__, __LINE__, "it is sent", i, 0);
    CHECK(is_pending(own));
    CHECK_EQ(close(own), 0);
    check_sanity();
}

TEST("calls that take long, one within the other as far as that goes, and a list of a hundred thousand updates") {
    Window const& window = sandbox().window();
    constexpr unsigned kCalls = 64, kUpdates = 256;
    static multicall_entry calls[kCalls];
    static mmu_update_t updates[kUpdates];
    Page const page = sandbox().page(0);
    for (unsigned i = 0; i < kUpdates; ++i)
        updates[i] = {.ptr = window.l1.address_of(i), .val = i % 2 == 0 ? entry(page.frame(), kWritable) : 0};
    for (unsigned round = 0; round < 8; ++round) {
        for (auto& call : calls)
            call = {.op = __HYPERVISOR_mmu_update, .result = 99, .args = {word(updates), kUpdates, 0, DOMID_SELF}};
        CHECK_EQ(multicall(calls, kCalls), 0);
        for (auto const& call : calls)
            CHECK_EQ(call.result, 0);
    }
    for (unsigned i = 0; i < kUpdates; ++i)
        CHECK_EQ(window.set(i, 0), 0);
    CHECK(page.make_writable() == 0);
    check_sanity();
}

TEST("every page that there is made a table, and memory again") {
    constexpr std::uint64_t kMost = 16'384;
    std::uint64_t const first = (end_of_initial_mapping() - Page{0}.va()) / kPageSize;
    std::uint64_t const end = startup().nr_pages < first + kMost ? startup().nr_pages : first + kMost;
    std::uint64_t pinned = 0;
    for (std::uint64_t pfn = first; pfn < end; ++pfn)
        pinned += pin(1, frame_of_pfn(pfn)) == 0 ? 1 : 0;
    std::uint64_t unpinned = 0;
    for (std::uint64_t pfn = first; pfn < end; ++pfn)
        unpinned += unpin(frame_of_pfn(pfn)) == 0 ? 1 : 0;
    print("# ", pinned, " of ", end - first, " pages\n");
    CHECK(pinned > 0);
    CHECK_EQ(unpinned, pinned);
    check_sanity();
}

TEST("every page that there is made a table that maps something, and walked through: more than there are shadows for") {
    constexpr std::uint64_t kMost = 16'384, kMagic = 0x7ab1e5;
    Window const& window = sandbox().window();
    Page const shown = sandbox().page(0);
    shown[3] = kMagic;
    std::uint64_t const first = (end_of_initial_mapping() - Page{0}.va()) / kPageSize;
    std::uint64_t const end = startup().nr_pages < first + kMost ? startup().nr_pages : first + kMost;
    constexpr unsigned kSlot = 7; // of each table
    std::uint64_t pinned = 0;
    for (std::uint64_t pfn = first; pfn < end; ++pfn) {
        Frame const frame = frame_of_pfn(pfn);
        if (pin(1, frame) != 0)
            continue;
        ++pinned;
        CHECK_EQ(
            update_entry((frame.raw() << base::kPageShift) + kSlot * sizeof(Entry), entry(shown.frame(), kReadOnly)),
            0);
    }
    // One after the other below the window's L2, at an address of its own.
    std::uint64_t const va = window.base + kEntries * kPageSize + kSlot * kPageSize;
    std::uint64_t walked = 0, unpinned = 0;
    for (std::uint64_t pfn = first; pfn < end; ++pfn) {
        if (update_entry(window.l2.address_of(1), entry(frame_of_pfn(pfn), kTable)) != 0)
            continue;
        flush_page(va);
        walked += reinterpret_cast<std::uint64_t volatile*>(va)[3] == kMagic ? 1 : 0;
    }
    CHECK_EQ(update_entry(window.l2.address_of(1), 0), 0);
    for (std::uint64_t pfn = first; pfn < end; ++pfn) {
        Frame const frame = frame_of_pfn(pfn);
        CHECK_EQ(update_entry((frame.raw() << base::kPageShift) + kSlot * sizeof(Entry), 0), 0);
        unpinned += unpin(frame) == 0 ? 1 : 0;
    }
    print("# ", pinned, " of ", end - first, " pages\n");
    CHECK(pinned > 0);
    CHECK_EQ(walked, pinned);
    CHECK_EQ(unpinned, pinned);
    CHECK_EQ(shown.make_writable(), 0);
    check_sanity();
}
