/// Memory given up and taken again, and frames exchanged for others that lie better (docs/abi.md §3.4).
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "pages.hpp"

using namespace lib;

TEST("a page that is given up is the guest's no more: it has one less, and may neither map it nor give it up again") {
    Page const page = fresh_page();
    Frame const frame = page.frame();
    std::int64_t const before = reservation();
    unmap(page);
    CHECK_EQ(give_up(&frame, 1), 1);
    CHECK_EQ(reservation(), before - 1);
    CHECK(is_translated() || page_of(frame).pfn() != page.pfn());
    CHECK(update_va_mapping(page.va(), entry(frame, kReadOnly)) < 0);
    CHECK_EQ(give_up(&frame, 1), 0);
    CHECK_EQ(reservation(), before - 1);
    CHECK_EQ(take(page.pfn()), 1);
    CHECK_EQ(reservation(), before);
}

TEST("a page taken is where the guest wants it: the machine-to-phys table leads there, and it is memory") {
    Page const page = fresh_page();
    Frame const old = page.frame();
    unmap(page);
    CHECK_EQ(give_up(&old, 1), 1);
    CHECK_EQ(take(page.pfn()), 1);
    CHECK_EQ(page_of(page.frame()).pfn(), page.pfn());
    CHECK_EQ(page.make_writable(), 0);
    page[0] = 0x1234;
    page[511] = 0x5678;
    CHECK_EQ(page[0] + page[511], 0x68ac);
    __builtin_memset(page.entries(), 0, kPageSize);
    CHECK_EQ(page.make_read_only(), 0);
    CHECK_EQ(pin(1, page.frame()), 0); // a table as well as any other
    CHECK_EQ(unpin(page.frame()), 0);
    CHECK_EQ(page.make_writable(), 0);
}

TEST("the calls stop at the first extent that is refused, and answer how many were done before it") {
    Page const first = fresh_pages(3);
    Frame frames[3];
    for (unsigned i = 0; i < 3; ++i) {
        unmap(Page{first.pfn() + i});
        frames[i] = Page{first.pfn() + i}.frame();
    }
    Frame const with_a_bad_one[] = {frames[0], Frame{std::uint64_t{1} << 40}, frames[1]};
    CHECK_EQ(give_up(with_a_bad_one, 3), 1);
    CHECK_EQ(give_up(frames + 1, 2), 2);
    std::int64_t const before = reservation();
    for (unsigned i = 0; i < 3; ++i)
        CHECK_EQ(take(first.pfn() + i), 1);
    CHECK_EQ(reservation(), before + 3);
    CHECK_EQ(give_up(nullptr, 0), 0);
}

TEST("a domain has no more than it may have") {
    domid_t self = DOMID_SELF;
    std::int64_t const most = memory_op(XENMEM_maximum_reservation, &self);
    SKIP_UNLESS(reservation() == most, "the domain may have more than it has");
    CHECK_EQ(take(fresh_page().pfn()), 0);
}

TEST("what is mapped cannot be exchanged, and stays as it is") {
    Page const page = fresh_page();
    page[0] = 0x77;
    Frame const frame = page.frame();
    Exchange exchange{{&frame, 1, 0}, {page.pfn(), 1, 0}};
    CHECK(exchange.make() < 0);
    CHECK_EQ(exchange.done(), 0);
    CHECK_EQ(page[0], 0x77);
    CHECK_EQ(page_of(frame).pfn(), page.pfn());
}

TEST("an exchange gives other frames for the same pages: as many, and the machine-to-phys table leads back") {
    Page const page = fresh_page();
    Frame const old = page.frame();
    std::int64_t const before = reservation();
    unmap(page);
    Exchange exchange{{&old, 1, 0}, {page.pfn(), 1, 0}};
    CHECK_EQ(exchange.make(), 0);
    CHECK_EQ(exchange.done(), 1);
    CHECK_EQ(reservation(), before);
    set_frame(page, exchange.got(0));
    CHECK_EQ(page_of(page.frame()).pfn(), page.pfn());
    CHECK_EQ(page.make_writable(), 0);
    page[3] = 0x99;
    CHECK_EQ(page[3], 0x99);
}

TEST("frames that are scattered are exchanged for a run of them, aligned to its size and below an address, and back") {
    SKIP_UNLESS(!is_translated(), "the domain does not see the machine's frames");
    constexpr unsigned kOrder = 2, kCount = 1 << kOrder;
    Page const first = fresh_pages(kCount);
    Frame frames[kCount];
    for (unsigned i = 0; i < kCount; ++i) {
        unmap(Page{first.pfn() + i});
        frames[i] = Page{first.pfn() + i}.frame();
    }
    Exchange together{{frames, kCount, 0}, {first.pfn(), 1, kOrder}};
    CHECK_EQ(together.make(XENMEMF_address_bits(32)), 0);
    CHECK_EQ(together.done(), kCount);
    Frame const run = together.got(0);
    CHECK_EQ(run.raw() % kCount, 0);
    CHECK(run.raw() + kCount <= std::uint64_t{1} << (32 - 12));
    for (unsigned i = 0; i < kCount; ++i) {
        CHECK_EQ(page_of(run + i).pfn(), first.pfn() + i);
        set_frame(Page{first.pfn() + i}, run + i);
        CHECK_EQ(Page{first.pfn() + i}.make_writable(), 0);
        Page{first.pfn() + i}[0] = i;
    }
    for (unsigned i = 0; i < kCount; ++i) {
        CHECK_EQ(Page{first.pfn() + i}[0], i);
        unmap(Page{first.pfn() + i});
    }
    Exchange apart{{&run, 1, kOrder}, {first.pfn(), kCount, 0}};
    CHECK_EQ(apart.make(), 0);
    CHECK_EQ(apart.done(), 1);
    for (unsigned i = 0; i < kCount; ++i) {
        set_frame(Page{first.pfn() + i}, apart.got(i));
        CHECK_EQ(page_of(apart.got(i)).pfn(), first.pfn() + i);
        CHECK_EQ(Page{first.pfn() + i}.make_writable(), 0);
    }
}

TEST("an exchange of unequal amounts, or for another domain, is refused") {
    Frame const frame = fresh_page().frame();
    Exchange uneven{{&frame, 1, 0}, {0, 1, 1}};
    CHECK_EQ(uneven.make(), kEINVAL);
    Exchange foreign{{&frame, 1, 0}, {0, 1, 0}};
    CHECK_EQ(foreign.make(0, 1234), kESRCH);
}

TEST("frames may be asked for without saying what pages they will be") {
    Page const page = fresh_page();
    Frame const old = page.frame();
    std::int64_t const before = reservation();
    unmap(page);
    CHECK_EQ(give_up(&old, 1), 1);
    std::uint64_t raw = 0;
    xen_memory_reservation_t request{};
    request.domid = DOMID_SELF;
    request.nr_extents = 1;
    request.extent_start.p = &raw;
    CHECK_EQ(memory_op(XENMEM_increase_reservation, &request), 1);
    CHECK_EQ(reservation(), before);
    Frame const fresh{raw};
    CHECK_EQ(update_va_mapping(page.va(), entry(fresh, kWritable)), 0);
    CHECK_EQ(page[0], 0);
    page[0] = 0x1234;
    unmap(page);
    CHECK_EQ(give_up(&fresh, 1), 1);
    CHECK_EQ(take(page.pfn()), 1);
    CHECK_EQ(page.make_writable(), 0);
}

TEST("what page is at which number is not for a paravirtual guest to choose") {
    xen_add_to_physmap_t request{};
    request.domid = DOMID_SELF;
    CHECK_EQ(memory_op(XENMEM_add_to_physmap, &request), kEACCES);
    xen_remove_from_physmap_t away{};
    away.domid = DOMID_SELF;
    CHECK_EQ(memory_op(XENMEM_remove_from_physmap, &away), kEACCES);
    away.domid = 1234;
    CHECK_EQ(memory_op(XENMEM_remove_from_physmap, &away), kESRCH);
}
