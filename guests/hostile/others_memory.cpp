/// Memory that is not the guest's: its own hypervisor's most of all. There is no way to it.
#include "lib/grants.hpp"
#include "lib/stores.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "others.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

constexpr unsigned kSample = 500;
constexpr std::uint64_t kImage = 0xffff'82d0'8000'0000; ///< so it is for Xen, too
constexpr std::uint64_t kLastOfAll = HYPERVISOR_VIRT_END - 4096;

/// Checks that @p call, with frames of @p others by chance, is refused each time.
template <typename Call> void refused(char const* what, Call const& call) {
    Dice dice{0xf0e};
    for (unsigned i = 0; i < kSample; ++i) {
        Frame const frame = Others::get().any(dice);
        std::int64_t const got = call(frame);
        if (got < 0 && got > -4096)
            continue;
        print("# ", what, ", frame ", Hex{frame.raw()}, ": ", got, "\n");
        return fail(__FILE_NAME__, __LINE__, "it is refused");
    }
}

} // namespace

TEST("none of the machine's memory but its own is mapped for the guest, to write or to read") {
    Place const place = {sandbox().window().l1, 9};
    print("# ", Others::get().count(), " frames are others'\n");
    CHECK(Others::get().count() > 500);
    CHECK_EQ(update_entry(place.address(), 0), 0);
    std::uint64_t mapped = 0;
    Others::get().for_each([&](Frame frame) {
        mapped += update_entry(place.address(), entry(frame, kWritable)) == 0;
        mapped += update_entry(place.address(), entry(frame, kReadOnly)) == 0;
    });
    CHECK_EQ(mapped, 0);
    CHECK_EQ(place.read(), 0);
}

TEST("nor by any other way to write an entry, nor as another domain's") {
    Window const& window = sandbox().window();
    Place const place = {window.l1, 9};
    refused("update_va_mapping", [&](Frame frame) { return update_va_mapping(window.va(9), entry(frame, kReadOnly)); });
    refused("preserving A and D", [&](Frame frame) {
        return update_entry(place.address() | MMU_PT_UPDATE_PRESERVE_AD, entry(frame, kReadOnly));
    });
    refused("without translation", [&](Frame frame) {
        return update_entry(place.address() | MMU_PT_UPDATE_NO_TRANSLATE, entry(frame, kReadOnly));
    });
    for (unsigned const owner : {DOMID_XEN, DOMID_IO, DOMID_IDLE, DOMID_COW})
        refused("of a special domain",
                [&](Frame frame) { return update_entry(place.address(), entry(frame, kWritable), owner); });
    refused("of a special domain, at an address", [&](Frame frame) {
        return update_va_mapping_otherdomain(window.va(9), entry(frame, kWritable), DOMID_XEN);
    });
    refused("a store", [&](Frame frame) -> std::int64_t {
        return trap_of([&] { store_quad(&window.l1.entries()[9], entry(frame, kReadOnly)); }).vector == kPageFault ? -1
                                                                                                                   : 0;
    });
    CHECK_EQ(place.read(), 0);
}

TEST("it is no table: none that an entry leads to, none to pin, no root") {
    Window const& window = sandbox().window();
    Place const upper[] = {{window.l2, 9}, {window.l3, 9}, {root_table(), kFreeRootSlot}};
    for (Place const& place : upper) {
        for (Entry const bits : {Entry{kTable}, Entry{kReadOnly}, kTable | kPageSizeBit})
            refused("an upper entry", [&](Frame frame) { return update_entry(place.address(), entry(frame, bits)); });
        CHECK_EQ(place.read(), 0);
    }
    for (unsigned level = 1; level <= 4; ++level)
        refused("pin", [&](Frame frame) { return pin(level, frame); });
    refused("unpin", [](Frame frame) { return unpin(frame); });
    refused("new_baseptr", [](Frame frame) { return new_root(frame); });
    refused("new_user_baseptr", [](Frame frame) { return new_user_root(frame); });
}

TEST("nothing is written to it as to a table, a descriptor, or as to the machine-to-phys table") {
    Dice dice{0x3a9};
    auto const somewhere_in = [&](Frame frame) { return frame.raw() << 12 | dice.below(512) * 8; };
    refused("mmu_update", [&](Frame frame) { return update_entry(somewhere_in(frame), 0); });
    refused("update_descriptor", [&](Frame frame) { return update_descriptor(somewhere_in(frame), 0); });
    refused("machphys", [&](Frame frame) { return update_entry(frame.raw() << 12 | MMU_MACHPHYS_UPDATE, 1); });
}

TEST("it is no table of descriptors, and no place for a vCPU's words") {
    refused("set_gdt", [](Frame frame) {
        std::uint64_t const raw = frame.raw();
        return set_gdt(&raw, 512);
    });
    refused("register_vcpu_info", [](Frame frame) {
        vcpu_register_vcpu_info_t const request{.mfn = frame.raw(), .offset = 0, .rsvd = 0};
        return vcpu_op(VCPUOP_register_vcpu_info, 0, &request);
    });
    refused("the same, of another vCPU", [](Frame frame) {
        vcpu_register_vcpu_info_t const request{.mfn = frame.raw(), .offset = 0, .rsvd = 0};
        return vcpu_op(VCPUOP_register_vcpu_info, 1, &request);
    });
    // An LDT is set by its address: the hypervisor's are none of the guest's.
    for (std::uint64_t const address : {kHypervisor, std::uint64_t{MACH2PHYS_VIRT_START}, kImage, kLastOfAll})
        CHECK(mmuext(MMUEXT_SET_LDT, address, 512) < 0);
}

TEST("it is not the guest's to give away: by a copy, by a grant, or to the hypervisor") {
    std::uint64_t const own = sandbox().page(0).frame().raw();
    auto const copy_status = [](std::uint64_t from, std::uint64_t to) -> std::int64_t {
        gnttab_copy_t copy{};
        copy.source.domid = copy.dest.domid = DOMID_SELF;
        copy.source.u.gmfn = from;
        copy.dest.u.gmfn = to;
        copy.len = 8;
        CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy), 0);
        return copy.status;
    };
    refused("a copy from it", [&](Frame frame) { return copy_status(frame.raw(), own); });
    refused("a copy to it", [&](Frame frame) { return copy_status(own, frame.raw()); });
    refused("a grant of it", [](Frame frame) -> std::int64_t {
        grant(8).domid = 0;
        grant(8).frame = static_cast<std::uint32_t>(frame.raw());
        grant(8).flags = GTF_permit_access;
        return map_grant(8, sandbox().window().va(9), GNTMAP_host_map | GNTMAP_readonly).status;
    });
    grant(8).flags = 0;
    refused("giving it up", [](Frame frame) {
        std::uint64_t raw = frame.raw();
        xen_memory_reservation_t request{};
        request.domid = DOMID_SELF;
        request.nr_extents = 1;
        request.extent_start.p = &raw;
        return memory_op(XENMEM_decrease_reservation, &request) - 1; // it answers how many are given up: none
    });
    refused("exchanging it", [](Frame frame) {
        std::uint64_t raw = frame.raw(), fresh = 0;
        xen_memory_exchange_t request{};
        request.in.domid = request.out.domid = DOMID_SELF;
        request.in.nr_extents = request.out.nr_extents = 1;
        request.in.extent_start.p = &raw;
        request.out.extent_start.p = &fresh;
        return memory_op(XENMEM_exchange, &request);
    });
    check_sanity();
}
