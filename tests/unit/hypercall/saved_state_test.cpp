/// domctl: what a domain is saved with and restored from, beside its pages (docs/abi.md §8.1, §9.4).
#include <array>
#include <vector>

#include "domain/special_gfns.hpp"
#include "unit/hypercall/domain_life.hpp"

namespace {

using namespace test;

class SavedState : public DomainLife {
  protected:
    void SetUp() override {
        id = create();
        fill(id);
        pin_tables(id);
    }
    void TearDown() override {
        EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
        DomainLife::TearDown();
    }
    domain::Vcpu& vcpu() { return *hypervisor.system->find(base::DomId{id})->vcpus[0]; }

    domid_t id = 0;
};

TEST_F(SavedState, TheTypesOfFramesAreTold) {
    xen_pfn_t const frames[] = {0, 1, 2, 3, 4, kPages, domain::kSharedInfoGfn.raw(), ~xen_pfn_t{0}};
    hypervisor.put(kPage, frames);
    xen_domctl_t op{};
    op.u.getpageframeinfo3.num = std::size(frames);
    op.u.getpageframeinfo3.array.p = reinterpret_cast<xen_pfn_t*>(kPage);
    ASSERT_EQ(domctl(XEN_DOMCTL_getpageframeinfo3, op, id), 0);
    constexpr xen_pfn_t kNone = XEN_DOMCTL_PFINFO_XTAB;
    xen_pfn_t const types[] = {XEN_DOMCTL_PFINFO_L4TAB | XEN_DOMCTL_PFINFO_LPINTAB,
                               XEN_DOMCTL_PFINFO_L3TAB,
                               XEN_DOMCTL_PFINFO_L2TAB,
                               XEN_DOMCTL_PFINFO_L1TAB,
                               XEN_DOMCTL_PFINFO_NOTAB,
                               kNone,
                               kNone,
                               kNone};
    for (unsigned i = 0; i < std::size(types); ++i)
        EXPECT_EQ(hypervisor.get<xen_pfn_t>(kPage + i * sizeof(xen_pfn_t)), types[i]) << i;
}

TEST_F(SavedState, AListOfTypesIsContinuedWhereItStopped) {
    std::array<xen_pfn_t, 200> frames{};
    frames.fill(3);
    hypervisor.put(kPage, frames);
    xen_domctl_t op{};
    op.u.getpageframeinfo3.num = frames.size();
    op.u.getpageframeinfo3.array.p = reinterpret_cast<xen_pfn_t*>(kPage);
    time_flies();
    ASSERT_EQ(domctl(XEN_DOMCTL_getpageframeinfo3, op, id), 0);
    EXPECT_GT(hypervisor.continued, 0U);
    for (unsigned i = 0; i < frames.size(); ++i)
        ASSERT_EQ(hypervisor.get<xen_pfn_t>(kPage + i * sizeof(xen_pfn_t)), XEN_DOMCTL_PFINFO_L1TAB) << i;
}

TEST_F(SavedState, EntryPointsThatAContextHasNoRoomForReadBack) {
    xen_domctl_t op{};
    auto& state = op.u.ext_vcpucontext;
    state.size = sizeof state;
    state.syscall32_callback_eip = 0xffff'8880'0000'1000;
    state.sysenter_callback_eip = 0xffff'8880'0000'2000;
    state.sysenter_disables_events = 1;
    ASSERT_EQ(domctl(XEN_DOMCTL_set_ext_vcpucontext, op, id), 0);
    xen_domctl_t got{};
    ASSERT_EQ(domctl(XEN_DOMCTL_get_ext_vcpucontext, got, id), 0);
    EXPECT_EQ(got.u.ext_vcpucontext.syscall32_callback_eip, 0xffff'8880'0000'1000);
    EXPECT_EQ(got.u.ext_vcpucontext.sysenter_callback_eip, 0xffff'8880'0000'2000);
    EXPECT_EQ(got.u.ext_vcpucontext.syscall32_disables_events, 0);
    EXPECT_EQ(got.u.ext_vcpucontext.sysenter_disables_events, 1);
    op.u.ext_vcpucontext.sysenter_callback_eip = 0x8000'0000'0000; // not canonical
    EXPECT_EQ(domctl(XEN_DOMCTL_set_ext_vcpucontext, op, id), kEinval);
    op.u.ext_vcpucontext.vcpu = 2;
    EXPECT_EQ(domctl(XEN_DOMCTL_get_ext_vcpucontext, op, id), kEinval);
}

TEST_F(SavedState, ExtendedStateReadsBackAsItWasSetAndNothingElseIsTaken) {
    xen_domctl_t op{};
    ASSERT_EQ(domctl(XEN_DOMCTL_getvcpuextstate, op, id), 0);
    auto& request = op.u.vcpuextstate;
    auto const size = request.size;
    ASSERT_EQ(size, 16 + arch::extended_state_size());
    EXPECT_EQ(request.xfeature_mask, arch::supported_xcr0());
    auto const xcr0 = arch::supported_xcr0();
    std::vector<std::uint64_t> state(size / 8, 0x5a5a'5a5a'5a5a'5a5a);
    state[0] = state[1] = xcr0;
    auto const put_all = [&](std::vector<std::uint64_t> const& words) {
        for (std::size_t i = 0; i < words.size(); ++i)
            hypervisor.put(kPage + i * 8, words[i]);
    };
    auto const ask = [&](std::uint32_t command, std::uint64_t length) {
        op.u.vcpuextstate = {.vcpu = 0, .xfeature_mask = arch::supported_xcr0(), .size = length, .buffer = {}};
        op.u.vcpuextstate.buffer.p = reinterpret_cast<std::uint64_t*>(kPage);
        return domctl(command, op, id);
    };
    put_all(state);
    ASSERT_EQ(ask(XEN_DOMCTL_setvcpuextstate, size), 0);
    EXPECT_EQ(vcpu().xcr0, xcr0);
    put_all(std::vector<std::uint64_t>(size / 8));
    EXPECT_EQ(ask(XEN_DOMCTL_getvcpuextstate, size - 8), kEinval);
    ASSERT_EQ(ask(XEN_DOMCTL_getvcpuextstate, size), 0);
    for (std::size_t i = 0; i < state.size(); ++i)
        ASSERT_EQ(hypervisor.get<std::uint64_t>(kPage + i * 8), state[i]) << i;

    EXPECT_EQ(ask(XEN_DOMCTL_setvcpuextstate, size + 8), kEinval);
    EXPECT_EQ(ask(XEN_DOMCTL_setvcpuextstate, 8), kEinval);
    hypervisor.put(kPage, ~xcr0);
    EXPECT_EQ(ask(XEN_DOMCTL_setvcpuextstate, size), kEinval) << "features that the CPU has not";
    EXPECT_EQ(vcpu().xcr0, xcr0);
}

TEST_F(SavedState, AGuestHasNoMsrsOfItsOwn) {
    xen_domctl_t op{};
    op.u.vcpu_msrs.msr_count = 7;
    ASSERT_EQ(domctl(XEN_DOMCTL_get_vcpu_msrs, op, id), 0);
    EXPECT_EQ(op.u.vcpu_msrs.msr_count, 0U);
    EXPECT_EQ(domctl(XEN_DOMCTL_set_vcpu_msrs, op, id), 0);
    op.u.vcpu_msrs.msr_count = 1;
    EXPECT_EQ(domctl(XEN_DOMCTL_set_vcpu_msrs, op, id), kEinval);
}

TEST_F(SavedState, ADomainThatHasShutDownIsResumed) {
    EXPECT_EQ(domctl(XEN_DOMCTL_resumedomain, id), 0) << "nothing to resume is no error, as on Xen";
    domain::shut_down(*hypervisor.system->find(base::DomId{id}), SHUTDOWN_suspend);
    EXPECT_NE(flags(id) & XEN_DOMINF_shutdown, 0U);
    EXPECT_EQ(domctl(XEN_DOMCTL_resumedomain, id), 0);
    EXPECT_EQ(flags(id) & XEN_DOMINF_shutdown, 0U);
    EXPECT_EQ(domctl(XEN_DOMCTL_resumedomain, 0), kEinval);
}

} // namespace
