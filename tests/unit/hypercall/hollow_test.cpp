/// tern_op: a domain that was built and never ran becomes the shell for one from another host (abi/tern.h).
#include "abi/tern.h"

#include "unit/hypercall/domain_life.hpp"

namespace {

using namespace test;

class Hollow : public DomainLife {
  protected:
    void SetUp() override {
        id = create();
        fill(id);
    }
    void TearDown() override {
        EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
        DomainLife::TearDown();
    }
    std::int64_t hollow_out(std::uint16_t whom) {
        tern_hollow request{};
        request.domain = whom;
        return call(__HYPERVISOR_tern_op, TERN_hollow_out, put(request));
    }
    std::int64_t swap(std::uint16_t whom, std::uint64_t one, std::uint64_t other) {
        tern_swap request{};
        request.domain = whom;
        request.one = one;
        request.other = other;
        return call(__HYPERVISOR_tern_op, TERN_swap_frames, put(request));
    }
    void give_context() {
        pin_tables(id);
        vcpu_guest_context_t context{};
        context.flags = VGCF_in_kernel | VGCF_online;
        hypervisor.put(kPage, context);
        xen_domctl_t op{};
        op.u.vcpucontext.vcpu = 0;
        op.u.vcpucontext.ctxt.p = reinterpret_cast<vcpu_guest_context_t*>(kPage);
        ASSERT_EQ(domctl(XEN_DOMCTL_setvcpucontext, op, id), 0);
        ASSERT_TRUE(vcpu().initialised.load());
        ASSERT_FALSE(vcpu().down.load());
    }
    domain::Domain& subject() { return *hypervisor.system->find(base::DomId{id}); }
    domain::Vcpu& vcpu() { return *subject().vcpus[0]; }
    shadow_pt::Use use(std::uint64_t pfn) {
        return subject().gfns.get(base::Gfn{pfn}).value().info().state.word().use();
    }

    domid_t id = 0;
};

TEST_F(Hollow, ContextsAndTablesGo) {
    give_context();
    ASSERT_TRUE(shadow_pt::is_table(use(0)));
    EXPECT_EQ(hollow_out(id), 0);
    EXPECT_FALSE(vcpu().initialised.load());
    EXPECT_TRUE(vcpu().down.load());
    for (std::uint64_t pfn = 0; pfn < kPages; ++pfn)
        EXPECT_FALSE(shadow_pt::is_table(use(pfn))) << pfn;
    EXPECT_EQ(subject().gfns.limit().raw(), kPages) << "its memory stays";
}

TEST_F(Hollow, IsContinuedForAsLongAsItTakes) {
    give_context();
    time_flies();
    EXPECT_EQ(hollow_out(id), 0);
    EXPECT_FALSE(shadow_pt::is_table(use(0)));
}

TEST_F(Hollow, CanBeBuiltAgain) {
    give_context();
    ASSERT_EQ(hollow_out(id), 0);
    give_context();
    EXPECT_EQ(domctl(XEN_DOMCTL_unpausedomain, id), 0) << "nothing but the toolstack's pause held it";
    EXPECT_EQ(domctl(XEN_DOMCTL_pausedomain, id), 0);
}

TEST_F(Hollow, WhoRunsOrIsNobodyIsRefused) {
    EXPECT_EQ(hollow_out(99), kEsrch);
    EXPECT_EQ(hollow_out(0), kEinval) << "the caller itself";
    ASSERT_EQ(domctl(XEN_DOMCTL_unpausedomain, id), 0);
    EXPECT_EQ(hollow_out(id), kEbusy);
    EXPECT_EQ(swap(id, 1, 2), kEbusy);
    ASSERT_EQ(domctl(XEN_DOMCTL_pausedomain, id), 0);
    EXPECT_EQ(call(__HYPERVISOR_tern_op, TERN_hollow_out, kNowhere), kEfault);
    EXPECT_EQ(call(__HYPERVISOR_tern_op, TERN_swap_frames, kNowhere), kEfault);
}

TEST_F(Hollow, FramesChangePlacesAndMappingsKeepTheirs) {
    words(id, 9)[0] = 0x9999;
    words(id, 20)[0] = 0x2020;
    ASSERT_EQ(call(__HYPERVISOR_update_va_mapping_otherdomain, kOtherPage, 9 << 12 | kWritable, UVMF_INVLPG, id), 0);
    EXPECT_EQ(swap(id, 9, 20), 0);
    EXPECT_EQ(words(id, 9)[0], 0x2020U);
    EXPECT_EQ(words(id, 20)[0], 0x9999U);
    hypervisor.put(kOtherPage, std::uint64_t{0x1111});
    EXPECT_EQ(words(id, 20)[0], 0x1111U) << "who had it mapped sees it where it is now";
    EXPECT_EQ(hypervisor.system->frames.gfn_of(subject().gfns.get(base::Gfn{20}).value().mfn()), base::Gfn{20});
    EXPECT_EQ(swap(id, 9, 9), 0);
    EXPECT_EQ(remap(kOtherPage, 0), 0);
}

TEST_F(Hollow, ASwapWithNothingChangesNothing) {
    words(id, 9)[0] = 0x9999;
    EXPECT_EQ(swap(id, 9, kPages), kEnoent);
    EXPECT_EQ(swap(id, kPages, 9), kEnoent);
    EXPECT_EQ(words(id, 9)[0], 0x9999U);
    give_context();
    EXPECT_EQ(swap(id, 9, 10), kEbusy) << "its tables name them";
}

} // namespace
