/// The fixture of tests that make domains: domain 0's toolstack, as far as hypercalls go.
#pragma once

#include <gtest/gtest.h>

#include "abi/toolstack.hpp"
#include "unit/hypercall/kernel.hpp"

namespace test {

class DomainLife : public Kernel {
  protected:
    static constexpr std::uint64_t kPages = 32;

    std::int64_t domctl(std::uint32_t command, xen_domctl_t& op, domid_t domain) {
        op.cmd = command;
        op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        op.domain = domain;
        auto const answer = call(__HYPERVISOR_domctl, put(op));
        op = get<xen_domctl_t>();
        return answer;
    }
    std::int64_t domctl(std::uint32_t command, domid_t domain) {
        xen_domctl_t op{};
        return domctl(command, op, domain);
    }
    static xen_domctl_t request(std::uint32_t vcpus = 2) {
        xen_domctl_t op{};
        op.u.createdomain.max_vcpus = vcpus;
        op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = -1;
        op.u.createdomain.grant_opts = 1;
        op.u.createdomain.max_evtchn_port = 1023;
        return op;
    }
    domid_t create() {
        auto op = request();
        EXPECT_EQ(domctl(XEN_DOMCTL_createdomain, op, 0), 0);
        return op.domain;
    }
    std::uint32_t flags(domid_t id) {
        xen_domctl_t op{};
        EXPECT_EQ(domctl(XEN_DOMCTL_getdomaininfo, op, id), 0);
        return op.domain == id ? op.u.getdomaininfo.flags : ~0U;
    }
    void fill(domid_t id) {
        xen_domctl_t op{};
        op.u.max_mem.max_memkb = kPages * 4;
        ASSERT_EQ(domctl(XEN_DOMCTL_max_mem, op, id), 0);
        xen_memory_reservation_t reservation{};
        for (std::uint64_t pfn = 0; pfn < kPages; ++pfn)
            hypervisor.put(kPage + pfn * 8, pfn);
        reservation.extent_start.p = reinterpret_cast<xen_pfn_t*>(kPage);
        reservation.nr_extents = kPages;
        reservation.domid = id;
        ASSERT_EQ(call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, put(reservation)), int{kPages});
        for (std::uint64_t pfn = 0; pfn < kPages; ++pfn)
            EXPECT_EQ(hypervisor.get<std::uint64_t>(kPage + pfn * 8), pfn) << "its numbers are its own";
    }
    std::uint64_t* words(domid_t id, std::uint64_t pfn) {
        return arch::frame_as<std::uint64_t>(
            hypervisor.system->find(base::DomId{id})->gfns.get(base::Gfn{pfn}).value().mfn());
    }
    /// Frames 0 to 3 become tables, L4 first, that map the others, but for @p without.
    void pin_tables(domid_t id, std::uint64_t without = kPages) {
        for (std::uint64_t level = 4; level > 1; --level)
            words(id, 4 - level)[0] = (5 - level) << 12 | kWritable;
        for (std::uint64_t page = 4; page < kPages; ++page)
            words(id, 3)[page] = page == without ? 0 : page << 12 | kWritable;
        ::mmuext_op operation{};
        operation.cmd = MMUEXT_PIN_L4_TABLE;
        operation.arg1.mfn = 0;
        ASSERT_EQ(call(__HYPERVISOR_mmuext_op, put(operation, 0xf00), 1, 0, id), 0);
    }
    std::uint64_t free_frames() {
        auto const memory = hypervisor.system->allocator.statistics();
        return memory.free + memory.quarantined;
    }
};

} // namespace test
