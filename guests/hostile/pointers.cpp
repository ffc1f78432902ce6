/// Every hypercall that reads or writes through a pointer, with pointers that lead nowhere: an error each, and nothing
/// written.
#include "lib/test.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

/// What a call answers when what its pointer leads to cannot be read: an error, or, if it answers how many it has done, 0.
enum class Answer { error, none_done };

/// A call whose one pointer is still to be filled in: position 0 is the first argument.
struct Call {
    char const* name;
    std::uint64_t number, arguments[4];
    unsigned pointer;
    unsigned size = 8; ///< of what it leads to, at least
    Answer answer = Answer::error;

    [[nodiscard]] std::int64_t with(std::uint64_t address) const {
        std::uint64_t all[4];
        for (unsigned i = 0; i < 4; ++i)
            all[i] = i == pointer ? address : arguments[i];
        return raw_hypercall(number, all[0], all[1], all[2], all[3]);
    }
    /// Checks that it refuses that address.
    void check(std::uint64_t address) const {
        std::int64_t const got = with(address);
        if (answer == Answer::error ? got < 0 && got > -4096 : got == 0)
            return;
        print("# ", name, " with ", Hex{address}, ": ", got, "\n");
        fail(__FILE_NAME__, __LINE__, "it is refused");
    }
};

constexpr Call kCalls[] = {
    {"set_trap_table", __HYPERVISOR_set_trap_table, {}, 0},
    {"mmu_update", __HYPERVISOR_mmu_update, {0, 1, 0, DOMID_SELF}, 0},
    {"mmu_update, many", __HYPERVISOR_mmu_update, {0, 0x7fff'ffff, 0, DOMID_SELF}, 0},
    {"set_gdt", __HYPERVISOR_set_gdt, {0, 512}, 0},
    {"multicall", __HYPERVISOR_multicall, {0, 1}, 0},
    {"multicall, many", __HYPERVISOR_multicall, {0, 0x7fff'ffff}, 0},
    {"memory_map", __HYPERVISOR_memory_op, {XENMEM_machine_memory_map}, 1},
    {"machphys_mapping", __HYPERVISOR_memory_op, {XENMEM_machphys_mapping}, 1},
    {"decrease_reservation", __HYPERVISOR_memory_op, {XENMEM_decrease_reservation}, 1, 8, Answer::none_done},
    {"populate_physmap", __HYPERVISOR_memory_op, {XENMEM_populate_physmap}, 1, 8, Answer::none_done},
    {"exchange", __HYPERVISOR_memory_op, {XENMEM_exchange}, 1},
    {"extraversion", __HYPERVISOR_xen_version, {XENVER_extraversion}, 1},
    {"capabilities", __HYPERVISOR_xen_version, {XENVER_capabilities}, 1},
    {"get_features", __HYPERVISOR_xen_version, {XENVER_get_features}, 1},
    {"map_grant_ref", __HYPERVISOR_grant_table_op, {GNTTABOP_map_grant_ref, 0, 1}, 1},
    {"unmap_grant_ref", __HYPERVISOR_grant_table_op, {GNTTABOP_unmap_grant_ref, 0, 1}, 1},
    {"copy", __HYPERVISOR_grant_table_op, {GNTTABOP_copy, 0, 1}, 1},
    {"query_size", __HYPERVISOR_grant_table_op, {GNTTABOP_query_size, 0, 1}, 1},
    {"setup_table", __HYPERVISOR_grant_table_op, {GNTTABOP_setup_table, 0, 1}, 1},
    {"mmuext_op", __HYPERVISOR_mmuext_op, {0, 1, 0, DOMID_SELF}, 0},
    {"mmuext_op, many", __HYPERVISOR_mmuext_op, {0, 0x7fff'ffff, 0, DOMID_SELF}, 0},
    {"poll", __HYPERVISOR_sched_op, {SCHEDOP_poll}, 1},
    {"shutdown", __HYPERVISOR_sched_op, {SCHEDOP_shutdown}, 1, 4},
    {"callback_op", __HYPERVISOR_callback_op, {CALLBACKOP_register}, 1},
    {"alloc_unbound", __HYPERVISOR_event_channel_op, {EVTCHNOP_alloc_unbound}, 1},
    {"bind_virq", __HYPERVISOR_event_channel_op, {EVTCHNOP_bind_virq}, 1},
    {"bind_ipi", __HYPERVISOR_event_channel_op, {EVTCHNOP_bind_ipi}, 1},
    {"send", __HYPERVISOR_event_channel_op, {EVTCHNOP_send}, 1, 4},
    {"close", __HYPERVISOR_event_channel_op, {EVTCHNOP_close}, 1, 4},
    {"set_iopl", __HYPERVISOR_physdev_op, {PHYSDEVOP_set_iopl}, 1, 4},
    {"set_singleshot_timer", __HYPERVISOR_vcpu_op, {VCPUOP_set_singleshot_timer, 0}, 2},
    {"register_runstate", __HYPERVISOR_vcpu_op, {VCPUOP_register_runstate_memory_area, 0}, 2},
    {"platform_op", __HYPERVISOR_platform_op, {}, 0},
    {"domctl", __HYPERVISOR_domctl, {}, 0},
    {"sysctl", __HYPERVISOR_sysctl, {}, 0},
};

} // namespace

TEST("pointers to nothing, to the hypervisor, and beyond the address space") {
    for (Call const& call : kCalls)
        for (std::uint64_t const pointer : {kUnmapped, kHypervisor, kNotCanonical, ~std::uint64_t{0} - 3,
                                            std::uint64_t{0x7fff'ffff'fffc}, std::uint64_t{0xffff'87ff'ffff'fffc}})
            call.check(pointer);
}

TEST("what lies across the end of a page into nothing") {
    Window const& window = sandbox().window();
    CHECK_EQ(window.set(3, entry(fresh_page().frame(), kWritable)), 0);
    for (Call const& call : kCalls)
        if (call.size > 4)
            call.check(window.va(4) - 4);
    CHECK_EQ(window.set(3, 0), 0);
}

TEST("what the guest may read and not write is not written for it") {
    Page const page = fresh_page();
    page[0] = 0x1234;
    page.make_read_only();
    CHECK_EQ(xen_version(XENVER_extraversion, page.entries()), kEFAULT);
    CHECK_EQ(page[0], 0x1234);
    xen_memory_map_t map{};
    map.nr_entries = 10;
    map.buffer.p = page.entries();
    CHECK_EQ(memory_op(XENMEM_machine_memory_map, &map), unless_domu(kEFAULT));
    CHECK_EQ(page[0], 0x1234);
    Entry const table = root_table()[511];
    CHECK_EQ(xen_version(XENVER_extraversion, root_table().entries() + 511), kEFAULT);
    CHECK_EQ(root_table()[511], table);
    page.make_writable();
}

TEST("a list that is longer than memory ends in an error where memory ends") {
    Window const& window = sandbox().window();
    Page const page = fresh_page();
    CHECK_EQ(window.set(6, entry(page.frame(), kWritable)), 0);
    auto* const calls = reinterpret_cast<multicall_entry*>(window.va(6));
    for (unsigned i = 0; i < kPageSize / sizeof(multicall_entry); ++i)
        calls[i] = {.op = __HYPERVISOR_xen_version, .result = 99, .args = {XENVER_version}};
    CHECK_EQ(multicall(calls, 100'000), kEFAULT);
    CHECK_EQ(calls[63].result, (4 << 16) | 17);
    CHECK_EQ(window.set(6, 0), 0);
    check_sanity();
}
