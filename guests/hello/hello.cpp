/// The first guest: it can print, and finds what the ABI says a guest finds when it starts.
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "lib/vcpu.hpp"

using namespace lib;

namespace {

struct [[gnu::packed]] Range {
    std::uint64_t address, size;
    std::uint32_t type;
};
constexpr unsigned kMostRanges = 128;

xen_memory_map_t memory_map(Range (&into)[kMostRanges]) {
    xen_memory_map_t map{};
    map.nr_entries = kMostRanges;
    map.buffer.p = into;
    CHECK_EQ(memory_op(XENMEM_machine_memory_map, &map), unless_domu(0));
    return map;
}

} // namespace

TEST("the start info says what ABI this is") {
    std::string_view const magic{startup().magic};
    CHECK(magic.starts_with("xen-3.0-x86_64"));
    print("# hello from a guest: ", magic, ", ", startup().nr_pages, " pages, \"", command_line(), "\"\n");
}

TEST("a privileged domain is told that it is; another, where its console and its store are") {
    CHECK_EQ((startup().flags & SIF_PRIVILEGED) != 0, is_dom0());
    CHECK_EQ((startup().flags & SIF_INITDOMAIN) != 0, is_dom0());
    CHECK_EQ(startup().store_mfn == 0, is_dom0());
    CHECK_EQ(startup().store_evtchn == 0, is_dom0());
}

TEST("the console takes a line and says that it has") {
    SKIP_UNLESS(is_dom0(), kDom0sOwn);
    static char const line[] = "# written by hypercall\n";
    CHECK_EQ(console_io(CONSOLEIO_write, sizeof line - 1, line), 0);
    CHECK_EQ(console_io(CONSOLEIO_write, 0, nullptr), 0);
    CHECK_EQ(console_io(77, 1, line), kENOSYS);
}

TEST("the hypervisor speaks the ABI of Xen 4.17") {
    CHECK_EQ(xen_version(XENVER_version), (4 << 16) | 17);
    xen_capabilities_info_t capabilities{};
    CHECK_EQ(xen_version(XENVER_capabilities, &capabilities), 0);
    CHECK(std::string_view{capabilities}.starts_with("xen-3.0-x86_64 "));
    xen_platform_parameters_t parameters{};
    CHECK_EQ(xen_version(XENVER_platform_parameters, &parameters), 0);
    CHECK_EQ(xen_version(XENVER_pagesize), kPageSize);
}

TEST("it says what it is, who built it, and how it was started: strings with an end") {
    static char text[2048];
    for (unsigned const command :
         {XENVER_extraversion, XENVER_capabilities, XENVER_changeset, XENVER_commandline, XENVER_compile_info}) {
        __builtin_memset(text, 'x', sizeof text - 1);
        CHECK_EQ(xen_version(command, text), 0);
        CHECK(__builtin_strlen(text) < sizeof(xen_commandline_t));
    }
    CHECK_EQ(xen_version(XENVER_extraversion, text), 0);
    CHECK(text[0] == '.'); // "4.17" goes before it
    xen_compile_info_t built{};
    CHECK_EQ(xen_version(XENVER_compile_info, &built), 0);
    CHECK(built.compiler[0] != 0 && built.compile_by[0] != 0 && built.compile_date[0] != 0);
    xen_domain_handle_t handle;
    __builtin_memset(handle, 0xff, sizeof handle);
    CHECK_EQ(xen_version(XENVER_guest_handle, &handle), 0);
    std::uint8_t any = 0;
    for (std::uint8_t const byte : handle)
        any |= byte;
    CHECK_EQ(any == 0, is_dom0());
}

TEST("nothing has been typed, and nobody but dom0 may ask") {
    char typed[16];
    CHECK_EQ(console_io(CONSOLEIO_read, sizeof typed, typed), unless_domu(0));
    CHECK_EQ(console_io(CONSOLEIO_read, 0, nullptr), unless_domu(0));
}

TEST("a reason for a shutdown can be told before it comes") {
    sched_shutdown_t const request{.reason = SHUTDOWN_poweroff};
    CHECK_EQ(sched_op(SCHEDOP_shutdown_code, &request), 0);
    CHECK_EQ(sched_op(SCHEDOP_shutdown_code, reinterpret_cast<void*>(0x1000)), kEFAULT);
    CHECK_EQ(sched_op(99), kENOSYS);
}

TEST("it has the features that Linux insists on, and none of those that a PV guest must not see") {
    xen_feature_info_t info{.submap_idx = 0, .submap = 0};
    CHECK_EQ(xen_version(XENVER_get_features, &info), 0);
    auto const has = [&](unsigned feature) { return (info.submap >> feature & 1) != 0; };
    CHECK(has(XENFEAT_mmu_pt_update_preserve_ad));
    CHECK(has(XENFEAT_gnttab_map_avail_bits));
    CHECK_EQ(has(XENFEAT_dom0), is_dom0());
    CHECK(has(XENFEAT_pae_pgdir_above_4gb));
    for (unsigned const feature :
         {XENFEAT_writable_page_tables, XENFEAT_writable_descriptor_tables, XENFEAT_auto_translated_physmap,
          XENFEAT_supervisor_mode_kernel, XENFEAT_hvm_callback_vector, XENFEAT_hvm_safe_pvclock, XENFEAT_hvm_pirqs})
        CHECK(!has(feature));
    info.submap_idx = 1;
    CHECK_EQ(xen_version(XENVER_get_features, &info), kEINVAL);
}

TEST("an unknown hypercall is refused, and so is an unknown command") {
    CHECK_EQ(hypercall(63), kENOSYS);
    CHECK_EQ(hypercall(0xffff'ffff'ffff), kENOSYS);
    CHECK_EQ(xen_version(1000), kENOSYS);
}

TEST("a pointer that leads nowhere gives an error, not a fault") {
    CHECK_EQ(xen_version(XENVER_get_features, reinterpret_cast<void*>(0x1000)), kEFAULT);
    CHECK_EQ(xen_version(XENVER_get_features, reinterpret_cast<void*>(MACH2PHYS_VIRT_START)), kEFAULT);
}

TEST("registers survive a hypercall, but for rax, rcx and r11") {
    Trap start = kernel_at(at_syscall); // a hypercall, since it is the kernel's
    std::uint64_t* const kept[] = {&start.rbx, &start.rbp, &start.r9, &start.r12, &start.r13, &start.r14, &start.r15};
    for (unsigned i = 0; i < 7; ++i)
        *kept[i] = 0x1111'0000 + i;
    start.rax = __HYPERVISOR_xen_version;
    start.rdi = XENVER_version;
    Caught const trap = trap_from(start);
    CHECK_EQ(trap.vector, kInvalidOpcode); // the UD2 behind it
    CHECK_EQ(trap.rax, (4 << 16) | 17);
    std::uint64_t const seen[] = {trap.rbx, trap.rbp, trap.r9, trap.r12, trap.r13, trap.r14, trap.r15};
    for (unsigned i = 0; i < 7; ++i)
        CHECK_EQ(seen[i], 0x1111'0000 + i);
    CHECK_EQ(trap.rsp, start.rsp);
}

TEST("the kernel starts with flat segments of privilege 3, and events masked") {
    CHECK_EQ(read_cs(), FLAT_KERNEL_CS);
    CHECK_EQ(read_ss(), FLAT_KERNEL_SS);
    CHECK((read_rflags() & 0x200) != 0); // the real interrupt flag is always set
    for (unsigned vcpu = 0; vcpu < 32; ++vcpu)
        CHECK_EQ(shared().vcpu_info[vcpu].evtchn_upcall_mask, 1);
}

TEST("every page of the guest is in its list of frames, and the machine-to-phys table leads back") {
    for (std::uint64_t pfn = 0; pfn < startup().nr_pages; ++pfn)
        if (page_of(frame_of_pfn(pfn)).pfn() != pfn)
            return fail(__FILE_NAME__, __LINE__, "page_of(frame_of_pfn(pfn)).pfn() == pfn");
}

TEST("the page tables that the guest runs on are mapped read-only, and nothing else is") {
    std::uint64_t const first = startup().pt_base, end = first + startup().nr_pt_frames * kPageSize;
    for (std::uint64_t va = 0xffff'ffff'8000'0000; va < end_of_initial_mapping(); va += kPageSize) {
        Entry const entry = place_of(va).read();
        bool const is_table = va >= first && va < end;
        if ((entry & kPresent) == 0 || ((entry & kRw) == 0) != is_table)
            return fail(__FILE_NAME__, __LINE__, "(entry & kRw) == 0) == is_table", va, entry);
    }
}

TEST("the memory map is the machine's, and dom0's alone; the guest may have as many pages as it has") {
    static Range ranges[kMostRanges];
    xen_memory_map_t const map = memory_map(ranges);
    if (is_dom0()) {
        CHECK(map.nr_entries > 0 && map.nr_entries <= kMostRanges);
        CHECK_EQ(ranges[0].type, 1); // RAM at 0
        CHECK_EQ(ranges[0].address, 0);
    }
    domid_t self = DOMID_SELF;
    CHECK_EQ(memory_op(XENMEM_current_reservation, &self), startup().nr_pages);
    CHECK(memory_op(XENMEM_maximum_reservation, &self) >= static_cast<std::int64_t>(startup().nr_pages));
}

TEST("no RAM lies above the highest page that the hypervisor tells") {
    SKIP_UNLESS(is_dom0(), kDom0sOwn);
    static Range ranges[kMostRanges];
    xen_memory_map_t const map = memory_map(ranges);
    std::uint64_t end = 0;
    for (unsigned i = 0; i < map.nr_entries; ++i)
        if (ranges[i].type == 1 && ranges[i].address + ranges[i].size > end)
            end = ranges[i].address + ranges[i].size;
    // In spite of its name it tells the one behind it.
    CHECK_EQ(static_cast<std::uint64_t>(memory_op(XENMEM_maximum_ram_page, nullptr)), end / kPageSize);
}

TEST("the machine-to-phys table is where the hypervisor says") {
    xen_machphys_mapping_t mapping{};
    CHECK_EQ(memory_op(XENMEM_machphys_mapping, &mapping), 0);
    CHECK_EQ(mapping.v_start, MACH2PHYS_VIRT_START);
    CHECK(mapping.v_end > mapping.v_start);
    CHECK(frame_of_pfn(0).raw() <= mapping.max_mfn);
}

TEST("a vCPU that the domain does not have is not there") {
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 0), 1);
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 8191), kENOENT);
}
