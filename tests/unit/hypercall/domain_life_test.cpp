/// domctl: domains are made, and end without a trace (docs/abi.md §9.4, §9.6).
#include <algorithm>
#include <iterator>
#include <numeric>
#include <span>

#include "abi/toolstack.hpp"
#include "domain/lifecycle.hpp"
#include "domain/roots.hpp"
#include "emulate/control_policy.hpp"
#include "unit/hypercall/domain_life.hpp"

namespace {

using namespace test;

TEST_F(DomainLife, ANewDomainIsEmptyAndPaused) {
    auto const id = create();
    EXPECT_GT(id, 0);
    EXPECT_EQ(flags(id) & (XEN_DOMINF_paused | XEN_DOMINF_dying | XEN_DOMINF_shutdown), unsigned{XEN_DOMINF_paused});
    EXPECT_EQ(domctl(XEN_DOMCTL_unpausedomain, id), 0);
    EXPECT_EQ(domctl(XEN_DOMCTL_unpausedomain, id), kEinval);
    EXPECT_EQ(flags(id) & XEN_DOMINF_paused, 0U);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

TEST_F(DomainLife, WhatIsNotAParavirtualGuestIsRefused) {
    for (auto const flag : {XEN_DOMCTL_CDF_hvm, XEN_DOMCTL_CDF_iommu, XEN_DOMCTL_CDF_MAX << 1}) {
        auto op = request();
        op.u.createdomain.flags = flag;
        EXPECT_EQ(domctl(XEN_DOMCTL_createdomain, op, 0), kEinval) << flag;
    }
    for (auto const vcpus : {0U, base::kMaxCpus + 1U}) {
        auto op = request(vcpus);
        EXPECT_EQ(domctl(XEN_DOMCTL_createdomain, op, 0), kEinval) << vcpus;
    }
    auto op = request();
    EXPECT_EQ(domctl(XEN_DOMCTL_createdomain, op, DOMID_FIRST_RESERVED - 1), kEinval) << "beyond what there can be";
    EXPECT_EQ(domctl(XEN_DOMCTL_max_vcpus, 5), kEsrch);
}

TEST_F(DomainLife, AnIdIsTakenOnceAndNotGivenOutAgainAtOnce) {
    auto op = request();
    ASSERT_EQ(domctl(XEN_DOMCTL_createdomain, op, 7), 0);
    op = request();
    EXPECT_EQ(domctl(XEN_DOMCTL_createdomain, op, 7), kEexist);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, 7), 0);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, 7), kEsrch);
    auto const first = create();
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, first), 0);
    auto const second = create();
    EXPECT_NE(first, second);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, second), 0);
}

TEST_F(DomainLife, DestroyingGivesEverythingBack) {
    auto const before = free_frames();
    for (int round = 0; round < 3; ++round) {
        auto const id = create();
        fill(id);
        pin_tables(id);
        EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
        EXPECT_EQ(free_frames(), before) << round;
    }
}

TEST_F(DomainLife, DestroyingIsContinuedForAsLongAsItTakes) {
    auto const before = free_frames();
    auto const id = create();
    fill(id);
    pin_tables(id);
    time_flies();
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
    EXPECT_GT(hypervisor.continued, 0U);
    EXPECT_EQ(free_frames(), before);
}

TEST_F(DomainLife, AFrameThatDomainZeroHasMappedStaysUntilItLetsGo) {
    auto const before = free_frames();
    auto const id = create();
    fill(id);
    words(id, 9)[0] = 0xabcd;
    ASSERT_EQ(call(__HYPERVISOR_update_va_mapping_otherdomain, kOtherPage, 9 << 12 | kWritable, UVMF_INVLPG, id), 0);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
    EXPECT_EQ(hypervisor.get<std::uint64_t>(kOtherPage), 0xabcdU);
    auto op = request();
    EXPECT_EQ(domctl(XEN_DOMCTL_createdomain, op, id), kEexist) << "the frame would be the new one's";
    EXPECT_EQ(remap(kOtherPage, 0), 0);
    EXPECT_EQ(free_frames(), before);
    op = request();
    EXPECT_EQ(domctl(XEN_DOMCTL_createdomain, op, id), 0);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

TEST_F(DomainLife, ADomainWithAGrantInUseLingersAsDyingUntilItIsUnmapped) {
    auto const before = free_frames();
    auto const id = create();
    fill(id);
    hypervisor.system->find(base::DomId{id})->grants.with([](grants::Grants& both) {
        ASSERT_TRUE(both.table.grow_to(1).ok());
        ASSERT_TRUE(both.table.seed(base::GrantRef{8}, base::DomId{0}, base::Gfn{5}).ok());
    });
    gnttab_map_grant_ref_t map{};
    map.host_addr = kOtherPage;
    map.flags = GNTMAP_host_map;
    map.ref = 8;
    map.dom = id;
    ASSERT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, put(map), 1), 0);
    map = get<gnttab_map_grant_ref_t>();
    ASSERT_EQ(map.status, GNTST_okay);

    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
    EXPECT_NE(flags(id) & XEN_DOMINF_dying, 0U);
    EXPECT_EQ(domctl(XEN_DOMCTL_unpausedomain, id), kEsrch) << "it is only shown";
    gnttab_unmap_grant_ref_t unmap{};
    unmap.host_addr = kOtherPage;
    unmap.handle = map.handle;
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, put(unmap), 1), 0);
    EXPECT_EQ(get<gnttab_unmap_grant_ref_t>().status, GNTST_okay);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), kEsrch);
    EXPECT_EQ(free_frames() + 1, before) << "domain 0's own list of mappings has its first page";
}

TEST_F(DomainLife, TheToolstackMapsTheGrantTableAndSharedInfoByNumbersThatAreTheSameEverywhere) {
    auto const id = create();
    xen_mem_acquire_resource_t resource{};
    resource.domid = id;
    resource.type = XENMEM_resource_grant_table;
    resource.nr_frames = 1;
    resource.frame_list.p = reinterpret_cast<xen_pfn_t*>(kPage);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_acquire_resource, put(resource)), 0);
    auto const gfn = hypervisor.get<std::uint64_t>(kPage);
    EXPECT_EQ(gfn, mm::kFirstSpecialGfn.raw() + 0x100);
    EXPECT_EQ(call(__HYPERVISOR_update_va_mapping_otherdomain, kOtherPage, gfn << 12 | kWritable, UVMF_INVLPG, id), 0);
    xen_domctl_t op{};
    ASSERT_EQ(domctl(XEN_DOMCTL_getdomaininfo, op, id), 0);
    EXPECT_EQ(op.u.getdomaininfo.shared_info_frame, mm::kFirstSpecialGfn.raw());
    EXPECT_EQ(remap(kOtherPage, 0), 0);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

/// A context with something of its own in each field that a domain without a kernel can have.
vcpu_guest_context_t full_context(std::uint64_t gdt_frame) {
    vcpu_guest_context_t context{};
    std::iota(std::begin(context.fpu_ctxt.x), std::end(context.fpu_ctxt.x), char{1});
    context.flags = VGCF_i387_valid | VGCF_in_kernel | VGCF_failsafe_disables_events | VGCF_syscall_disables_events;
    auto& user = context.user_regs;
    std::uint64_t value = 0x1000;
    for (std::uint64_t* const at : {&user.r15,
                                    &user.r14,
                                    &user.r13,
                                    &user.r12,
                                    &user.rbp,
                                    &user.rbx,
                                    &user.r11,
                                    &user.r10,
                                    &user.r9,
                                    &user.r8,
                                    &user.rax,
                                    &user.rcx,
                                    &user.rdx,
                                    &user.rsi,
                                    &user.rdi,
                                    &user.rip,
                                    &user.rsp,
                                    &context.fs_base,
                                    &context.gs_base_kernel,
                                    &context.gs_base_user,
                                    &context.kernel_sp,
                                    &context.event_callback_eip,
                                    &context.failsafe_callback_eip,
                                    &context.syscall_callback_eip})
        *at = value += 0x11;
    user.cs = FLAT_KERNEL_CS;
    user.ss = FLAT_KERNEL_SS;
    user.rflags = 0x1246; // IOPL 1, IF, ZF, PF
    context.kernel_ss = FLAT_KERNEL_SS;
    for (unsigned vector = 0; vector < std::size(context.trap_ctxt); ++vector) {
        auto& trap = context.trap_ctxt[vector]; // field by field: between them is a hole
        trap.vector = static_cast<std::uint8_t>(vector);
        trap.flags = static_cast<std::uint8_t>(vector % 8);
        trap.cs = FLAT_KERNEL_CS;
        trap.address = 0x7000 + vector;
    }
    context.ldt_base = 0xa000;
    context.ldt_ents = 3;
    context.gdt_frames[0] = gdt_frame;
    context.gdt_ents = 10;
    context.ctrlreg[0] = emulate::visible_cr0(true);
    context.ctrlreg[4] = emulate::visible_cr4(emulate::kCr4De);
    context.debugreg[0] = 0x5000;
    context.debugreg[6] = 0xffff0ff1;
    context.debugreg[7] = 0x402;
    return context;
}

TEST_F(DomainLife, HasAsManyPortsAsItWasGiven) {
    for (std::uint32_t const highest : {0U, 5U, 4095U, ~0U}) {
        auto op = request();
        op.u.createdomain.max_evtchn_port = highest;
        ASSERT_EQ(domctl(XEN_DOMCTL_createdomain, op, 0), 0);
        auto const offer = [&] {
            return call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound,
                        put(evtchn_alloc_unbound_t{.dom = op.domain, .remote_dom = 0, .port = 0}));
        };
        for (std::uint32_t port = 1; port <= std::min(highest, 4095U); ++port)
            ASSERT_EQ(offer(), 0) << port;
        EXPECT_EQ(offer(), kEnospc);
        EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, op.domain), 0);
    }
}

TEST_F(DomainLife, AContextReadsBackAsItWasSet) {
    constexpr std::uint64_t kGdt = 9;
    auto const id = create();
    fill(id);
    pin_tables(id, kGdt);
    auto const set = full_context(kGdt);
    auto const at = kPage + 0x800; // more than a page
    auto const request = [&](std::uint32_t command, std::uint32_t vcpu) {
        xen_domctl_t op{};
        op.u.vcpucontext.vcpu = vcpu;
        op.u.vcpucontext.ctxt.p = reinterpret_cast<vcpu_guest_context_t*>(at);
        return domctl(command, op, id);
    };
    EXPECT_EQ(request(XEN_DOMCTL_getvcpucontext, 0), kEnodata) << "it has none yet";
    EXPECT_EQ(request(XEN_DOMCTL_getvcpucontext, 2), kEinval);
    hypervisor.put(at, set);
    auto& shared = hypervisor.system->find(base::DomId{static_cast<std::uint16_t>(id)})->shared;
    shared.wc_sec = 0; // a toolstack clears the whole page
    ASSERT_EQ(request(XEN_DOMCTL_setvcpucontext, 0), 0);
    EXPECT_EQ(shared.wc_sec, hypervisor.dom0->shared.wc_sec) << "the clock is told to a domain that starts";
    hypervisor.put(at, vcpu_guest_context_t{});
    ASSERT_EQ(request(XEN_DOMCTL_getvcpucontext, 0), 0);
    auto const got = hypervisor.get<vcpu_guest_context_t>(at);
    auto const bytes = [](vcpu_guest_context_t const& context) { return std::as_bytes(std::span{&context, 1}); };
    EXPECT_EQ(std::ranges::mismatch(bytes(got), bytes(set)).in1 - bytes(got).begin(), sizeof set)
        << "the first that differs";
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

TEST_F(DomainLife, AVcpuWithoutAContextIsDownUntilItGetsAnother) {
    auto const id = create();
    fill(id);
    pin_tables(id, 9);
    auto& domain = *hypervisor.system->find(base::DomId{id});
    auto const set = [&](std::uint64_t context, std::uint32_t vcpu = 0) {
        xen_domctl_t op{};
        op.u.vcpucontext.vcpu = vcpu;
        op.u.vcpucontext.ctxt.p = reinterpret_cast<vcpu_guest_context_t*>(context);
        return domctl(XEN_DOMCTL_setvcpucontext, op, id);
    };
    auto context = full_context(9);
    context.flags |= VGCF_online;
    for (bool const preempted : {false, true}) {
        ASSERT_EQ(set(hypervisor.put(kPage, context)), 0);
        EXPECT_FALSE(domain.vcpus[0]->down.load());
        if (preempted)
            time_flies();
        EXPECT_EQ(set(0), 0);
        EXPECT_TRUE(domain.vcpus[0]->down.load());
        EXPECT_FALSE(domain.shut_down.load()) << "a vCPU's new beginning is not its domain's end";
        EXPECT_FALSE(domain.vcpus[0]->kernel_root.valid());
        xen_domctl_t op{};
        EXPECT_EQ(domctl(XEN_DOMCTL_getvcpucontext, op, id), kEnodata);
    }
    EXPECT_EQ(set(0, 1), 0) << "nor has one to have had a context";
    EXPECT_EQ(set(0, 2), kEinval);
    EXPECT_EQ(domctl(XEN_DOMCTL_setvcpucontext, 0), kEinval) << "domain 0's own";
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

TEST_F(DomainLife, ADomainsWallClockMayBeInAnotherZone) {
    auto const id = create();
    auto& shared = hypervisor.system->find(base::DomId{id})->shared;
    auto const utc = shared.wc_sec;
    for (std::int64_t const offset : {3600, -7200, 0}) {
        xen_domctl_t op{};
        op.u.settimeoffset.time_offset_seconds = offset;
        ASSERT_EQ(domctl(XEN_DOMCTL_settimeoffset, op, id), 0);
        EXPECT_EQ(shared.wc_sec, utc + static_cast<std::uint32_t>(offset));
        domain::set_wall_clock(*hypervisor.system, {.seconds = utc, .nanoseconds = 0});
        EXPECT_EQ(shared.wc_sec, utc + static_cast<std::uint32_t>(offset)) << "also when the time is set";
    }
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

TEST_F(DomainLife, WhatTheToolstackSaysOfTheTscIsToldToItAndCounted) {
    auto const id = create();
    auto const set = [&](std::uint32_t mode, std::uint32_t incarnation, domid_t whose) {
        xen_domctl_t op{};
        op.u.tsc_info.tsc_mode = mode;
        op.u.tsc_info.incarnation = incarnation;
        return domctl(XEN_DOMCTL_settscinfo, op, whose);
    };
    auto const told = [&](domid_t whose) {
        xen_domctl_t op{};
        EXPECT_EQ(domctl(XEN_DOMCTL_gettscinfo, op, whose), 0);
        return op.u.tsc_info;
    };
    EXPECT_EQ(set(0, 3, id), 0);
    EXPECT_EQ(told(id).incarnation, 4U);
    EXPECT_EQ(told(id).gtsc_khz, hypervisor.machine.tsc_khz);
    EXPECT_EQ(set(2, 0, id), 0);
    EXPECT_EQ(told(id).tsc_mode, 2U);
    EXPECT_EQ(told(id).gtsc_khz, 0U) << "of a TSC that is never emulated nothing is said, as in Xen";
    EXPECT_EQ(told(id).elapsed_nsec, 0U);
    EXPECT_EQ(set(1, 0, id), kEopnotsupp);
    EXPECT_EQ(set(3, 0, id), kEinval);
    EXPECT_EQ(told(id).tsc_mode, 2U);
    EXPECT_EQ(set(2, 7, 0), 0) << "domain 0 keeps its own, whatever is asked for";
    EXPECT_EQ(told(0).tsc_mode, 0U);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

TEST_F(DomainLife, OfTheOperatorsButtonsTheNmiReachesAParavirtualDomain) {
    auto const id = create();
    auto const press = [&](std::uint32_t trigger, std::uint32_t vcpu = 1) {
        xen_domctl_t op{};
        op.u.sendtrigger = {.trigger = trigger, .vcpu = vcpu};
        return domctl(XEN_DOMCTL_sendtrigger, op, id);
    };
    EXPECT_EQ(press(XEN_DOMCTL_SENDTRIGGER_NMI), 0);
    EXPECT_TRUE(hypervisor.system->find(base::DomId{id})->vcpus[1]->nmi_pending.load());
    EXPECT_EQ(press(XEN_DOMCTL_SENDTRIGGER_NMI, 2), kEsrch);
    EXPECT_EQ(press(XEN_DOMCTL_SENDTRIGGER_POWER), kEinval);
    EXPECT_EQ(press(XEN_DOMCTL_SENDTRIGGER_INIT), kEnosys);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
}

TEST_F(DomainLife, WhatIsClaimedForADomainNobodyElseGets) {
    auto const id = create();
    auto const claim = [&](std::uint64_t pages, domid_t whose) {
        xen_memory_reservation_t request{};
        request.nr_extents = pages;
        request.domid = whose;
        return call(__HYPERVISOR_memory_op, XENMEM_claim_pages, put(request));
    };
    auto const outstanding = [&] {
        xen_domctl_t op{};
        EXPECT_EQ(domctl(XEN_DOMCTL_getdomaininfo, op, id), 0);
        return op.u.getdomaininfo.outstanding_pages;
    };
    auto const allow = [&](std::uint64_t pages) {
        xen_domctl_t op{};
        op.u.max_mem.max_memkb = pages * 4;
        EXPECT_EQ(domctl(XEN_DOMCTL_max_mem, op, id), 0);
    };
    EXPECT_EQ(claim(kPages, id), kEinval) << "more than it may have";
    allow(free_frames() + 1);
    EXPECT_EQ(claim(free_frames() + 1, id), kEnomem);
    EXPECT_EQ(claim(kPages + 8, id), 0);
    EXPECT_EQ(claim(1, id), kEinval) << "one claim at a time";
    EXPECT_EQ(claim(1, 9), kEinval) << "there is no such domain";
    EXPECT_EQ(outstanding(), kPages + 8);
    fill(id);
    EXPECT_EQ(outstanding(), 8U) << "what it got was of its claim";
    EXPECT_EQ(claim(0, id), 0);
    EXPECT_EQ(outstanding(), 0U);
    allow(kPages + free_frames());
    EXPECT_EQ(claim(kPages, id), kEinval) << "it has that";

    // When everything is claimed, nothing is left for the hypervisor either.
    EXPECT_EQ(claim(kPages + free_frames(), id), 0);
    auto another = request();
    EXPECT_EQ(domctl(XEN_DOMCTL_createdomain, another, 0), kEnomem);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
    EXPECT_EQ(hypervisor.system->allocator.statistics().claimed, 0U) << "a claim ends with its domain";
}

TEST_F(DomainLife, TheHighestFrameOfADomainIsTold) {
    auto const id = create();
    auto const asked = put(id, 0x800);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_maximum_gpfn, asked), 0) << "it has none";
    fill(id);
    put(id, 0x800);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_maximum_gpfn, asked), int{kPages} - 1);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
    put(id, 0x800);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_maximum_gpfn, asked), kEsrch);
}

TEST_F(DomainLife, DomainZeroCannotPauseOrDestroyItself) {
    EXPECT_EQ(domctl(XEN_DOMCTL_pausedomain, 0), kEinval);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, 0), kEinval);
}

} // namespace
