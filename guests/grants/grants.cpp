/// Grant tables, version 1 (docs/abi.md §6). A domain may map its own grants; so one guest is enough to see both sides.
#include "lib/grants.hpp"
#include "lib/events.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr std::uint16_t kInUse = GTF_reading | GTF_writing;

/// A page granted to the domain itself.
struct Granted {
    static inline grant_ref_t next = 8;
    grant_ref_t ref = next++;
    Page page = fresh_page();

    explicit Granted(std::uint16_t flags = GTF_permit_access, domid_t to = self()) {
        grant(ref).domid = to;
        grant(ref).frame = static_cast<std::uint32_t>(page.frame().raw());
        grant(ref).flags = flags;
        page[0] = 0x1234;
    }
    [[nodiscard]] std::uint16_t flags() const { return grant(ref).flags; }
};

domid_t somebody_else() { return static_cast<domid_t>(self() + 1); }

/// One side of a copy.
struct Side {
    bool is_grant;
    std::uint64_t what; ///< a reference or a frame
    std::uint16_t offset;
};
Side granted(grant_ref_t ref, std::uint16_t offset = 0) { return {true, ref, offset}; }
Side own(Page page, std::uint16_t offset = 0) { return {false, page.frame().raw(), offset}; }

std::int16_t copy(Side from, Side to, std::uint16_t length, domid_t from_domain = DOMID_SELF) {
    gnttab_copy_t request{};
    auto const fill = [](auto& pointer, Side const& side, domid_t domain) {
        if (side.is_grant)
            pointer.u.ref = static_cast<grant_ref_t>(side.what);
        else
            pointer.u.gmfn = side.what;
        pointer.domid = domain;
        pointer.offset = side.offset;
    };
    fill(request.source, from, from.is_grant ? self() : from_domain);
    fill(request.dest, to, to.is_grant ? self() : domid_t{DOMID_SELF});
    request.len = length;
    request.flags =
        static_cast<std::uint16_t>((from.is_grant ? GNTCOPY_source_gref : 0) | (to.is_grant ? GNTCOPY_dest_gref : 0));
    request.status = 77;
    CHECK_EQ(grant_table_op(GNTTABOP_copy, &request), 0);
    return request.status;
}

} // namespace

TEST("the table has a size, and one it may grow to; a domain that is not there has none") {
    gnttab_query_size_t query{};
    query.dom = DOMID_SELF;
    CHECK_EQ(grant_table_op(GNTTABOP_query_size, &query), 0);
    CHECK_EQ(query.status, GNTST_okay);
    CHECK(query.max_nr_frames >= 4 && query.nr_frames <= query.max_nr_frames);
    query.dom = 1234;
    CHECK_EQ(grant_table_op(GNTTABOP_query_size, &query), 0);
    CHECK_EQ(query.status, GNTST_bad_domain);
}

TEST("version 1 is in force; a version that does not exist is refused") {
    gnttab_set_version_t version{.version = 1};
    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &version), 0);
    CHECK_EQ(version.version, 1);
    version.version = 99;
    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &version), kEINVAL);
}

TEST("the table's frames are the hypervisor's, and the guest may map them writable; they are cleared") {
    CHECK_EQ(grant(2).flags, 0); // the toolstack grants a domU's console and store by 0 and 1
    CHECK_EQ(grant(kGrants - 1).flags, 0);
    grant(8).domid = 7;
    CHECK_EQ(grant(8).domid, 7);
    grant(8).domid = self();
}

TEST("a table larger than it may be is refused") {
    gnttab_query_size_t query{};
    query.dom = DOMID_SELF;
    grant_table_op(GNTTABOP_query_size, &query);
    static xen_pfn_t frames[512];
    gnttab_setup_table_t setup{};
    setup.dom = DOMID_SELF;
    setup.nr_frames = query.max_nr_frames + 1;
    setup.frame_list.p = frames;
    CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &setup), 0);
    CHECK_EQ(setup.status, GNTST_general_error);
    setup.nr_frames = 1;
    setup.dom = 1234;
    CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &setup), 0);
    CHECK_EQ(setup.status, GNTST_bad_domain);
}

TEST("a granted page is mapped at an address, is marked as in use, and is no more so when it is unmapped") {
    Granted const granted;
    Window const window = make_window();
    auto const mapped = map_grant(granted.ref, window.va(3));
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK_EQ(window.at(3), 0x1234);
    window.at(3) = 0x5678;
    CHECK_EQ(granted.page[0], 0x5678);
    CHECK_EQ(granted.flags(), GTF_permit_access | kInUse);
    CHECK_EQ(frame_in(window.entry(3)).raw(), granted.page.frame().raw());

    CHECK_EQ(unmap_grant(window.va(3), mapped.handle), GNTST_okay);
    CHECK_EQ(granted.flags(), GTF_permit_access);
    CHECK_EQ(window.entry(3), 0);
    CHECK_EQ(trap_of([&] { touch(window.at(3)); }).vector, kPageFault);
}

TEST("a page mapped read-only is only being read, and cannot be written") {
    Granted const granted;
    Window const window = make_window();
    auto const mapped = map_grant(granted.ref, window.va(0), GNTMAP_host_map | GNTMAP_readonly);
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK_EQ(granted.flags(), GTF_permit_access | GTF_reading);
    CHECK_EQ(window.at(0), 0x1234);
    CHECK_EQ(trap_of([&] { window.at(0) = 1; }).error_code, kFaultPresent | kFaultWrite);
    CHECK_EQ(unmap_grant(window.va(0), mapped.handle), GNTST_okay);
    CHECK_EQ(granted.flags(), GTF_permit_access);
}

TEST("a grant to read cannot be mapped to write") {
    Granted const granted{GTF_permit_access | GTF_readonly};
    Window const window = make_window();
    CHECK_EQ(map_grant(granted.ref, window.va(0)).status, GNTST_general_error);
    CHECK_EQ(granted.flags() & kInUse, 0);
    auto const mapped = map_grant(granted.ref, window.va(0), GNTMAP_host_map | GNTMAP_readonly);
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK_EQ(granted.flags(), GTF_permit_access | GTF_readonly | GTF_reading);
    CHECK_EQ(unmap_grant(window.va(0), mapped.handle), GNTST_okay);
}

TEST("a page mapped twice is in use until both are unmapped") {
    Granted const granted;
    Window const window = make_window();
    auto const writer = map_grant(granted.ref, window.va(0));
    auto const reader = map_grant(granted.ref, window.va(1), GNTMAP_host_map | GNTMAP_readonly);
    CHECK(writer.handle != reader.handle);
    CHECK_EQ(unmap_grant(window.va(0), writer.handle), GNTST_okay);
    CHECK_EQ(granted.flags(), GTF_permit_access | GTF_reading);
    CHECK_EQ(window.at(1), 0x1234);
    CHECK_EQ(unmap_grant(window.va(1), reader.handle), GNTST_okay);
    CHECK_EQ(granted.flags(), GTF_permit_access);
}

TEST("with contains_pte, the place is the machine address of an entry") {
    Granted const granted;
    Window const window = make_window();
    std::uint64_t const where = window.l1.address_of(9);
    auto const mapped = map_grant(granted.ref, where, GNTMAP_host_map | GNTMAP_contains_pte);
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK_EQ(window.at(9), 0x1234);
    CHECK_EQ(unmap_grant(where, mapped.handle), GNTST_okay);
    CHECK_EQ(window.entry(9), 0);
    // Neither an unaligned place nor one outside a lowest-level table will do.
    CHECK_EQ(map_grant(granted.ref, where + 4, GNTMAP_host_map | GNTMAP_contains_pte).status, GNTST_general_error);
    CHECK_EQ(map_grant(granted.ref, window.l2.address_of(9), GNTMAP_host_map | GNTMAP_contains_pte).status,
             GNTST_general_error);
    CHECK_EQ(map_grant(granted.ref, fresh_page().address(), GNTMAP_host_map | GNTMAP_contains_pte).status,
             GNTST_general_error);
    CHECK_EQ(granted.flags(), GTF_permit_access);
}

TEST("an available bit that is asked for is in the entry") {
    Granted const granted;
    Window const window = make_window();
    auto const mapped = map_grant(granted.ref, window.va(0), GNTMAP_host_map | 1 << _GNTMAP_guest_avail0);
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK((window.entry(0) & kAvailable0) != 0);
    CHECK_EQ(unmap_grant(window.va(0), mapped.handle), GNTST_okay);
}

TEST("a page mapped for devices has its bus address told") {
    Granted const granted;
    Window const window = make_window();
    auto const mapped = map_grant(granted.ref, window.va(0), GNTMAP_host_map | GNTMAP_device_map);
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK_EQ(mapped.dev_bus_addr, granted.page.address());
    gnttab_unmap_grant_ref_t request{};
    request.host_addr = window.va(0);
    request.dev_bus_addr = mapped.dev_bus_addr;
    request.handle = mapped.handle;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &request), 0);
    CHECK_EQ(request.status, GNTST_okay);
}

TEST("what is not granted is refused: an empty entry, one for another domain, a reference beyond the table") {
    Window const window = make_window();
    CHECK_EQ(map_grant(Granted{0}.ref, window.va(0)).status, GNTST_general_error);
    CHECK_EQ(map_grant(Granted{GTF_permit_access, somebody_else()}.ref, window.va(0)).status, GNTST_general_error);
    CHECK_EQ(map_grant(Granted{GTF_accept_transfer}.ref, window.va(0)).status, GNTST_general_error);
    CHECK_EQ(map_grant(10'000'000, window.va(0)).status, GNTST_bad_gntref);
    CHECK_EQ(map_grant(8, window.va(0), GNTMAP_host_map, 1234).status, GNTST_bad_domain);
    CHECK_EQ(window.entry(0), 0);
}

TEST("a place without a table for it is refused, and so is no place at all") {
    Granted const granted;
    Window const window = make_window();
    CHECK_EQ(map_grant(granted.ref, window.base + (std::uint64_t{1} << 21)).status, GNTST_general_error);
    CHECK_EQ(map_grant(granted.ref, 0xffff'8300'0000'0000).status, GNTST_general_error);
    CHECK_EQ(map_grant(granted.ref, window.va(0), 0).status, GNTST_bad_gntref);
    CHECK_EQ(granted.flags(), GTF_permit_access);
}

TEST("a frame that is not the granter's is refused") {
    Granted const granted;
    Window const window = make_window();
    grant(granted.ref).frame = ~std::uint32_t{0};
    CHECK_EQ(map_grant(granted.ref, window.va(0)).status, GNTST_bad_page);
    CHECK_EQ(granted.flags() & kInUse, 0);
}

TEST("a table can be granted to read, not to write") {
    Granted const granted;
    Window const window = make_window();
    grant(granted.ref).frame = static_cast<std::uint32_t>(window.l1.frame().raw());
    CHECK_EQ(map_grant(granted.ref, window.va(0)).status, GNTST_general_error);
    auto const mapped = map_grant(granted.ref, window.va(0), GNTMAP_host_map | GNTMAP_readonly);
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK_EQ(window.at(0), window.entry(0));
    CHECK_EQ(unmap_grant(window.va(0), mapped.handle), GNTST_okay);
}

TEST("a page that is mapped to write by a grant cannot become a table") {
    Granted const granted;
    Window const window = make_window();
    auto const mapped = map_grant(granted.ref, window.va(0));
    granted.page.make_read_only();
    CHECK_EQ(pin(1, granted.page.frame()), kEINVAL);
    CHECK_EQ(unmap_grant(window.va(0), mapped.handle), GNTST_okay);
    CHECK_EQ(pin(1, granted.page.frame()), 0);
    CHECK_EQ(unpin(granted.page.frame()), 0);
}

TEST("only what was mapped can be unmapped, where it was, and once") {
    Granted const granted;
    Window const window = make_window();
    auto const mapped = map_grant(granted.ref, window.va(0));
    CHECK_EQ(unmap_grant(window.va(0), 9999), GNTST_bad_handle);
    CHECK_EQ(unmap_grant(window.va(1), mapped.handle), GNTST_general_error);
    CHECK_EQ(window.at(0), 0x1234);
    CHECK_EQ(unmap_grant(window.va(0), mapped.handle), GNTST_okay);
    CHECK_EQ(unmap_grant(window.va(0), mapped.handle), GNTST_bad_handle);
}

TEST("each operation of a batch has its own status") {
    Granted const first, third;
    Window const window = make_window();
    gnttab_map_grant_ref_t requests[3] = {};
    for (unsigned i = 0; i < 3; ++i) {
        requests[i].host_addr = window.va(i);
        requests[i].flags = GNTMAP_host_map;
        requests[i].dom = self();
        requests[i].ref = i == 0 ? first.ref : i == 1 ? 10'000'000 : third.ref;
    }
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, requests, 3), 0);
    CHECK_EQ(requests[0].status, GNTST_okay);
    CHECK_EQ(requests[1].status, GNTST_bad_gntref);
    CHECK_EQ(requests[2].status, GNTST_okay);
    CHECK_EQ(window.at(2), 0x1234);
    CHECK_EQ(unmap_grant(window.va(0), requests[0].handle), GNTST_okay);
    CHECK_EQ(unmap_grant(window.va(2), requests[2].handle), GNTST_okay);
}

TEST("a copy takes bytes from a grant to one's own page, from there to a grant, from a grant to another") {
    Granted const source, target;
    Page const page = fresh_page();
    for (unsigned i = 0; i < 512; ++i)
        source.page[i] = i * 0x0101;
    CHECK_EQ(copy(granted(source.ref, 16), own(page, 8), 64), GNTST_okay);
    CHECK_EQ(page[0], 0);
    CHECK_EQ(page[1], 2 * 0x0101);
    CHECK_EQ(page[8], 9 * 0x0101);
    CHECK_EQ(page[9], 0);
    CHECK_EQ(copy(own(page, 8), granted(target.ref, 0), 3), GNTST_okay);
    CHECK_EQ(target.page[0], 0x0202);
    CHECK_EQ(copy(granted(source.ref), granted(target.ref), 4096), GNTST_okay);
    CHECK_EQ(target.page[511], 511 * 0x0101);
    CHECK_EQ(source.flags(), GTF_permit_access); // in use only while it lasts
    CHECK_EQ(target.flags(), GTF_permit_access);
}

TEST("a copy stays in one page on each side, and writes only where it may") {
    Granted const source, read_only{GTF_permit_access | GTF_readonly}, nobodys{0};
    Page const page = fresh_page();
    CHECK_EQ(copy(granted(source.ref, 4000), own(page), 97), GNTST_bad_copy_arg);
    CHECK_EQ(copy(granted(source.ref), own(page, 4096), 1), GNTST_bad_copy_arg);
    CHECK_EQ(copy(granted(source.ref), granted(read_only.ref), 8), GNTST_general_error);
    CHECK_EQ(copy(granted(read_only.ref), own(page), 8), GNTST_okay);
    CHECK_EQ(copy(granted(nobodys.ref), own(page), 8), GNTST_general_error);
    CHECK_EQ(copy(granted(10'000'000), own(page), 8), GNTST_bad_gntref);
    CHECK_EQ(copy(own(page), own(page, 8), 8), GNTST_okay);
    CHECK_EQ(copy(own(page), granted(source.ref), 8, 1234), GNTST_bad_domain);
    CHECK_EQ(copy({false, ~std::uint64_t{0}, 0}, own(page), 8), GNTST_bad_page);
    CHECK_EQ(copy(granted(source.ref), own(root_table()), 8), GNTST_general_error);
}

TEST("grant_table_op refuses what it does not know") {
    CHECK_EQ(grant_table_op(99, nullptr, 0), kENOSYS);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, reinterpret_cast<void*>(0x1000), 1), kEFAULT);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, nullptr, 0), 0);
}
