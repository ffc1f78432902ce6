/// Grant tables, version 2, unmap_and_replace and swap_grant_ref (docs/abi.md §6). Each test ends with version 1 in force.
#include "lib/grants.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr unsigned kEntries2 = kGrants / 2;
constexpr std::uint16_t kInUse = GTF_reading | GTF_writing;
constexpr grant_ref_t kRef = 20, kOtherRef = 21;

std::int64_t set_version(std::uint32_t number) {
    gnttab_set_version_t version{.version = number};
    return grant_table_op(GNTTABOP_set_version, &version);
}
std::uint32_t version() {
    gnttab_get_version_t request{};
    request.dom = DOMID_SELF;
    CHECK_EQ(grant_table_op(GNTTABOP_get_version, &request), 0);
    return request.version;
}
grant_entry_v2_t volatile& entry2(grant_ref_t ref) {
    return reinterpret_cast<grant_entry_v2_t volatile*>(const_cast<grant_entry_v1_t*>(&grant(0)))[ref];
}
/// What get_status_frames answers for @p count frames; the first in @p frame.
std::int16_t status_frames(std::uint32_t count, std::uint64_t& frame) {
    std::uint64_t list[8] = {};
    gnttab_get_status_frames_t request{};
    request.nr_frames = count;
    request.dom = DOMID_SELF;
    request.frame_list.p = list;
    CHECK_EQ(grant_table_op(GNTTABOP_get_status_frames, &request), 0);
    frame = list[0];
    return request.status;
}
void grant_whole(grant_ref_t ref, Page page, std::uint16_t flags = 0) {
    entry2(ref).full_page.frame = page.frame().raw();
    entry2(ref).hdr.domid = self();
    entry2(ref).hdr.flags = static_cast<std::uint16_t>(GTF_permit_access | flags);
}
std::int16_t copy_from(grant_ref_t ref, Page to, std::uint16_t offset, std::uint16_t length) {
    gnttab_copy_t request{};
    request.source.u.ref = ref;
    request.source.domid = self();
    request.source.offset = offset;
    request.dest.u.gmfn = to.frame().raw();
    request.dest.domid = DOMID_SELF;
    request.len = length;
    request.flags = GNTCOPY_source_gref;
    CHECK_EQ(grant_table_op(GNTTABOP_copy, &request), 0);
    return request.status;
}

/// Version 2 as long as this lives, with its statuses mapped.
class VersionTwo {
  public:
    VersionTwo() {
        touch(grant(0).flags); // maps the table
        CHECK_EQ(set_version(2), 0);
        std::uint64_t frame = 0;
        CHECK_EQ(status_frames(1, frame), GNTST_okay);
        CHECK_EQ(window().set(0, entry(Frame{frame}, kWritable)), 0);
    }
    VersionTwo(VersionTwo const&) = delete;
    VersionTwo& operator=(VersionTwo const&) = delete;
    ~VersionTwo() {
        CHECK_EQ(window().set(0, 0), 0);
        flush_tlb();
        CHECK_EQ(set_version(1), 0);
    }
    [[nodiscard]] static std::uint16_t status(grant_ref_t ref) {
        return reinterpret_cast<grant_status_t volatile*>(window().base)[ref];
    }

  private:
    static Window const& window() {
        static Window const kept = make_window();
        return kept;
    }
};

} // namespace

TEST("the versions are one and two, and who asks for another one is told which is in force") {
    CHECK_EQ(version(), 1U);
    {
        VersionTwo const two;
        CHECK_EQ(version(), 2U);
        CHECK_EQ(set_version(2), 0);
        gnttab_set_version_t third{.version = 3};
        CHECK_EQ(grant_table_op(GNTTABOP_set_version, &third), kEINVAL);
    }
    CHECK_EQ(version(), 1U);
}

TEST("version 1 has no statuses, version 2 as many as its entries need") {
    std::uint64_t frame = 0;
    CHECK_EQ(status_frames(1, frame), GNTST_general_error);
    VersionTwo const two;
    CHECK_EQ(status_frames(1, frame), GNTST_okay);
    CHECK(frame != 0);
    CHECK_EQ(status_frames(8, frame), GNTST_general_error);
}

TEST("the reserved entries keep their grants when the version changes, the others do not") {
    grant(3).frame = 77;
    grant(3).domid = 5;
    grant(3).flags = GTF_permit_access;
    grant(kRef).flags = GTF_permit_access;
    {
        VersionTwo const two;
        CHECK_EQ(entry2(3).hdr.flags, GTF_permit_access);
        CHECK_EQ(entry2(3).hdr.domid, 5);
        CHECK_EQ(entry2(3).full_page.frame, 77U);
        CHECK_EQ(entry2(kRef).hdr.flags, 0);
    }
    CHECK_EQ(grant(3).flags, GTF_permit_access);
    CHECK_EQ(grant(3).domid, 5);
    CHECK_EQ(grant(3).frame, 77U);
    grant(3).flags = 0;
}

TEST("a mapping marks the status, not the entry, and the version stays while it lasts") {
    VersionTwo const two;
    Window const window = make_window();
    Page const page = fresh_page();
    page[0] = 0x1234;
    grant_whole(kRef, page);
    auto const mapped = map_grant(kRef, window.va(0));
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK_EQ(window.at(0), 0x1234U);
    CHECK_EQ(VersionTwo::status(kRef) & kInUse, kInUse);
    CHECK_EQ(entry2(kRef).hdr.flags, GTF_permit_access);
    CHECK_EQ(set_version(1), kEBUSY);
    CHECK_EQ(unmap_grant(window.va(0), mapped.handle), GNTST_okay);
    CHECK_EQ(VersionTwo::status(kRef) & kInUse, 0);
}

TEST("the version stays while the statuses are mapped") {
    VersionTwo const two;
    CHECK_EQ(set_version(1), kEBUSY);
    CHECK_EQ(version(), 2U);
}

TEST("a grant to read cannot be mapped to write, and one beyond the table not at all") {
    VersionTwo const two;
    Window const window = make_window();
    grant_whole(kRef, fresh_page(), GTF_readonly);
    CHECK_EQ(map_grant(kRef, window.va(0)).status, GNTST_general_error);
    CHECK_EQ(VersionTwo::status(kRef) & kInUse, 0);
    CHECK_EQ(map_grant(10'000'000, window.va(0)).status, GNTST_bad_gntref);
    entry2(kEntries2 - 1).hdr.flags = 0;
    CHECK_EQ(map_grant(kEntries2 - 1, window.va(0)).status, GNTST_general_error);
}

TEST("a part of a page is copied, and only that; it cannot be mapped") {
    VersionTwo const two;
    Window const window = make_window();
    Page const source = fresh_page(), target = fresh_page();
    for (unsigned i = 0; i < 512; ++i)
        source[i] = i;
    entry2(kRef).sub_page.frame = source.frame().raw();
    entry2(kRef).sub_page.page_off = 80;
    entry2(kRef).sub_page.length = 16;
    entry2(kRef).hdr.domid = self();
    entry2(kRef).hdr.flags = GTF_permit_access | GTF_sub_page;
    CHECK_EQ(copy_from(kRef, target, 80, 16), GNTST_okay);
    CHECK_EQ(target[0], 10U);
    CHECK_EQ(target[1], 11U);
    CHECK_EQ(copy_from(kRef, target, 72, 16), GNTST_general_error);
    CHECK_EQ(copy_from(kRef, target, 88, 16), GNTST_general_error);
    CHECK_EQ(map_grant(kRef, window.va(0)).status, GNTST_general_error);
    CHECK_EQ(VersionTwo::status(kRef) & kInUse, 0);
}

TEST("a grant of one's own cannot be passed on, nor one of nobody's") {
    VersionTwo const two;
    Page const page = fresh_page();
    grant_whole(kOtherRef, page);
    entry2(kRef).transitive.trans_domid = self();
    entry2(kRef).transitive.gref = kOtherRef;
    entry2(kRef).hdr.domid = self();
    entry2(kRef).hdr.flags = GTF_transitive;
    CHECK_EQ(copy_from(kRef, fresh_page(), 0, 8), GNTST_general_error);
    entry2(kRef).transitive.trans_domid = 1234;
    CHECK(copy_from(kRef, fresh_page(), 0, 8) != GNTST_okay);
    CHECK_EQ(VersionTwo::status(kRef) & kInUse, 0);
}

TEST("two entries change places, but not while they are in use") {
    gnttab_swap_grant_ref_t request{};
    request.ref_a = kRef;
    request.ref_b = kOtherRef;
    Page const page = fresh_page();
    page[0] = 0x77;
    grant(kRef).frame = static_cast<std::uint32_t>(page.frame().raw());
    grant(kRef).domid = self();
    grant(kRef).flags = GTF_permit_access;
    grant(kOtherRef).flags = 0;
    CHECK_EQ(grant_table_op(GNTTABOP_swap_grant_ref, &request), 0);
    CHECK_EQ(request.status, GNTST_okay);
    CHECK_EQ(grant(kRef).flags, 0);
    CHECK_EQ(grant(kOtherRef).frame, page.frame().raw());

    Window const window = make_window();
    auto const mapped = map_grant(kOtherRef, window.va(0));
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK_EQ(grant_table_op(GNTTABOP_swap_grant_ref, &request), 0);
    CHECK_EQ(request.status, GNTST_eagain);
    CHECK_EQ(unmap_grant(window.va(0), mapped.handle), GNTST_okay);
    request.ref_b = 10'000'000;
    CHECK_EQ(grant_table_op(GNTTABOP_swap_grant_ref, &request), 0);
    CHECK_EQ(request.status, GNTST_bad_gntref);
    grant(kOtherRef).flags = 0;
}

TEST("when a grant is unmapped, another entry can come in its place") {
    Window const window = make_window();
    Page const granted = fresh_page(), other = fresh_page();
    granted[0] = 1;
    other[0] = 2;
    grant(kRef).frame = static_cast<std::uint32_t>(granted.frame().raw());
    grant(kRef).domid = self();
    grant(kRef).flags = GTF_permit_access;
    auto const mapped = map_grant(kRef, window.va(0));
    CHECK_EQ(mapped.status, GNTST_okay);
    CHECK_EQ(window.set(1, entry(other.frame(), kWritable)), 0);
    CHECK_EQ(window.at(0), 1U);
    CHECK_EQ(window.at(1), 2U);

    gnttab_unmap_and_replace_t request{};
    request.host_addr = window.va(0);
    request.new_addr = window.va(1);
    request.handle = mapped.handle;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_and_replace, &request), 0);
    CHECK_EQ(request.status, GNTST_okay);
    CHECK_EQ(window.at(0), 2U);
    window.at(0) = 3;
    CHECK_EQ(other[0], 3U);
    CHECK_EQ(window.entry(1), 0U);
    CHECK_EQ(trap_of([&] { touch(window.at(1)); }).vector, kPageFault);
    CHECK_EQ(grant(kRef).flags & kInUse, 0);
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_and_replace, &request), 0);
    CHECK_EQ(request.status, GNTST_bad_handle);
    CHECK_EQ(window.set(0, 0), 0);
    grant(kRef).flags = 0;
}
