/// What is dom0's alone, asked for by a domU: to rule the machine and its domains, and what belongs to another domain.
#include "abi/tern.h"
#include "abi/toolstack.hpp"
#include "lib/events.hpp"
#include "lib/grants.hpp"
#include "lib/test.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

constexpr std::uint64_t kMostCommands = 100; ///< more than any of these hypercalls has

/// Checks that @p call is refused, and says which one was not.
bool refused(char const* what, std::uint64_t which, std::int64_t got) {
    if (got < 0 && got > -4096)
        return true;
    print("# ", what, " ", which, ": ", got, "\n");
    fail(__FILE_NAME__, __LINE__, "it is refused");
    return false;
}

xen_memory_reservation_t of_dom0(std::uint64_t* frame) {
    xen_memory_reservation_t request{};
    request.domid = 0;
    request.nr_extents = 1;
    request.extent_start.p = frame;
    return request;
}

} // namespace

TEST("no command that rules the machine, a domain or a device is a domU's") {
    SKIP_UNLESS(!is_dom0(), kDomusOwn);
    Dice dice{0x9d0};
    static xen_domctl_t domain;
    static xen_sysctl_t machine;
    static xen_platform_op_t platform;
    for (std::uint32_t command = 0; command < kMostCommands; ++command) {
        for (unsigned const subject : {0U, unsigned{self()}, self() + 1U, unsigned{DOMID_SELF}}) {
            domain = {};
            domain.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
            domain.cmd = command;
            domain.domain = static_cast<domid_t>(subject);
            if (!refused("domctl", command, hypercall(__HYPERVISOR_domctl, &domain)))
                return;
        }
        machine = {};
        machine.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
        machine.cmd = command;
        platform = {};
        platform.interface_version = XENPF_INTERFACE_VERSION;
        platform.cmd = command;
        refused("sysctl", command, hypercall(__HYPERVISOR_sysctl, &machine));
        refused("platform_op", command, hypercall(__HYPERVISOR_platform_op, &platform));
        tern_reservation reservation{
            .domain = self(), .unused = 0, .vcpu = 0, .period = 10'000'000, .slice = 9'000'000};
        refused("tern_op", command, hypercall(__HYPERVISOR_tern_op, command, &reservation));
    }
    for (unsigned const command :
         {PHYSDEVOP_map_pirq, PHYSDEVOP_unmap_pirq, PHYSDEVOP_setup_gsi, PHYSDEVOP_alloc_irq_vector,
          PHYSDEVOP_apic_read, PHYSDEVOP_apic_write, PHYSDEVOP_manage_pci_add, PHYSDEVOP_pci_device_add,
          PHYSDEVOP_pci_mmcfg_reserved, PHYSDEVOP_prepare_msix, PHYSDEVOP_restore_msi})
        refused("physdev_op", command, physdev(command, sandbox().arguments(dice)));
    check_sanity();
}

TEST("another domain's memory is not a domU's to take, to give, to map or to ask for") {
    SKIP_UNLESS(!is_dom0(), kDomusOwn);
    Window const& window = sandbox().window();
    std::uint64_t const own = sandbox().page(0).frame().raw();
    for (unsigned const command : {XENMEM_increase_reservation, XENMEM_decrease_reservation, XENMEM_populate_physmap}) {
        std::uint64_t frame = own;
        auto request = of_dom0(&frame);
        refused("memory_op", command, memory_op(command, &request) - 1); // it answers how many were done: none
    }
    for (std::uint64_t frame = 0; frame < 4096; ++frame) {
        Entry const wanted = entry(Frame{frame}, kReadOnly);
        if (!refused("mmu_update of dom0's", frame, update_entry(window.l1.address_of(9), wanted, 0)) ||
            !refused("the same, at an address", frame, update_va_mapping_otherdomain(window.va(9), wanted, 0)))
            return;
    }
    struct mmuext_op pin_of_dom0 {};
    pin_of_dom0.cmd = MMUEXT_PIN_L1_TABLE;
    refused("mmuext_op for dom0", 0, mmuext_ops(&pin_of_dom0, 1, nullptr, 0));
    CHECK_EQ(window.entry(9), 0);
    check_sanity();
}

TEST("what dom0 grants to others is not a domU's, whatever reference it guesses") {
    SKIP_UNLESS(!is_dom0(), kDomusOwn);
    Window const& window = sandbox().window();
    for (grant_ref_t ref = 0; ref < 2048; ++ref) {
        std::int64_t const mapped = map_grant(ref, window.va(9), GNTMAP_host_map | GNTMAP_readonly, 0).status;
        gnttab_copy_t copy{};
        copy.source.u.ref = ref;
        copy.source.domid = 0;
        copy.dest.u.gmfn = sandbox().page(0).frame().raw();
        copy.dest.domid = DOMID_SELF;
        copy.len = 8;
        copy.flags = GNTCOPY_source_gref;
        CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy), 0);
        if (!refused("map_grant_ref of dom0's", ref, mapped) || !refused("copy of dom0's", ref, copy.status))
            return;
    }
    gnttab_query_size_t size{};
    CHECK_EQ(grant_table_op(GNTTABOP_query_size, &size), 0);
    CHECK(size.status < 0);
    static xen_pfn_t frames[64];
    gnttab_setup_table_t setup{};
    setup.nr_frames = 1;
    setup.frame_list.p = frames;
    CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &setup), 0);
    CHECK(setup.status < 0);
    check_sanity();
}

TEST("another domain's ports are not a domU's: none to bind to, look at or reset; nor are interrupts") {
    SKIP_UNLESS(!is_dom0(), kDomusOwn);
    unsigned offered = 0;
    for (Port port = 0; port < EVTCHN_2L_NR_CHANNELS; ++port)
        if (auto const bound = bind_interdomain(port, 0); bound > 0) {
            ++offered;
            close(static_cast<Port>(bound));
        }
    CHECK(offered <= 2); // the other ends of its console's and its store's ports, if it has closed these
    refused("alloc_unbound in dom0", 0, alloc_unbound(DOMID_SELF, 0));
    for (std::uint32_t irq = 0; irq < 256; ++irq) {
        evtchn_bind_pirq_t bind{.pirq = irq, .flags = 0, .port = 0};
        refused("bind_pirq", irq, event_channel_op(EVTCHNOP_bind_pirq, &bind));
    }
    evtchn_status_t status{.dom = 0, .port = 1, .status = 0, .vcpu = 0, .u = {}};
    refused("status", 1, event_channel_op(EVTCHNOP_status, &status));
    evtchn_reset_t reset{.dom = 0};
    refused("reset", 0, event_channel_op(EVTCHNOP_reset, &reset));
    sched_remote_shutdown_t const end{.domain_id = 0, .reason = SHUTDOWN_crash};
    refused("remote_shutdown", 0, sched_op(SCHEDOP_remote_shutdown, &end));
    char typed[4];
    refused("the operator's keys", 0, console_io(CONSOLEIO_read, sizeof typed, typed));
    check_sanity();
}
