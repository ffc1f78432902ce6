/// A guest that suspended itself goes on in a new domain, knowing that it has moved (docs/domain-record.md).
#include "domain/timers.hpp"
#include "unit/snapshot/two_hosts.hpp"

namespace {

using namespace test;

class CooperativeRecord : public TwoHosts {
  protected:
    Bytes suspended() {
        domain::shut_down(*other.domain, SHUTDOWN_suspend);
        return take(1);
    }
};

TEST_F(CooperativeRecord, ContextsTablesAndLimitsComeAlong) {
    auto const bytes = suspended();
    auto const id = twin();
    ASSERT_EQ(restore(id, bytes, TERN_RECORD_cooperative), 0);
    auto const& vcpu = vcpu_of(id);
    auto const& was = other.vcpu();
    EXPECT_EQ(vcpu.saved.registers.rax, 0x1234U);
    EXPECT_EQ(vcpu.saved.registers.rip, 0x4444U);
    EXPECT_EQ(vcpu.kernel_root.gfn, base::Gfn{0});
    EXPECT_TRUE(vcpu.initialised.load());
    EXPECT_FALSE(vcpu.down.load());
    EXPECT_EQ(vcpu.syscall32_callback.address, was.syscall32_callback.address);
    EXPECT_TRUE(vcpu.syscall32_callback.mask_events);
    EXPECT_EQ(vcpu.tsc_aux, 5U);
    EXPECT_EQ(vcpu.iopl, 1U);
    EXPECT_EQ(vcpu.xcr0, was.xcr0);
    EXPECT_EQ(std::memcmp(vcpu.saved.extended_state, was.saved.extended_state, arch::extended_state_size()), 0);
    auto& domain = domain_of(id);
    EXPECT_EQ(domain.vm_assist.load(), other.domain->vm_assist.load());
    EXPECT_EQ(std::memcmp(domain.handle, other.domain->handle, sizeof domain.handle), 0);
    EXPECT_EQ(domain::quota(domain).limit(), SecondDomain::kFrames);
    auto const state = domain.gfns.get(base::Gfn{0}).value().info().state.word();
    EXPECT_TRUE(state.pinned());
    EXPECT_EQ(state.use(), shadow_pt::Use::l4);
    EXPECT_FALSE(domain.shut_down.load());
    EXPECT_EQ(domain.pauses.load(), 1U) << "the toolstack lets it go";
}

TEST_F(CooperativeRecord, SharedInfoIsFreshWithEverythingMasked) {
    other.domain->shared.evtchn_pending[0] = 0xff;
    other.domain->shared.arch.max_pfn = 16;
    other.domain->shared.arch.pfn_to_mfn_frame_list_list = 9;
    other.domain->shared.vcpu_info[0].evtchn_upcall_pending = 1;
    auto const bytes = suspended();
    auto const id = twin();
    auto& shared = domain_of(id).shared;
    auto const clock = shared.wc_sec;
    ASSERT_EQ(restore(id, bytes, TERN_RECORD_cooperative), 0);
    for (std::size_t i = 0; i < std::size(shared.evtchn_mask); ++i) {
        EXPECT_EQ(shared.evtchn_mask[i], ~xen_ulong_t{0});
        EXPECT_EQ(shared.evtchn_pending[i], 0U);
    }
    EXPECT_EQ(shared.vcpu_info[0].evtchn_upcall_pending, 0);
    EXPECT_EQ(shared.vcpu_info[0].evtchn_upcall_mask, 1);
    EXPECT_EQ(shared.arch.max_pfn, 16U);
    EXPECT_EQ(shared.arch.pfn_to_mfn_frame_list_list, 0U);
    EXPECT_EQ(shared.wc_sec, clock);
    EXPECT_EQ(domain_of(id).clock_offset.load(), 0U);
}

TEST_F(CooperativeRecord, PortsOfTheToolstackStayAndThoseOfTheGuestGo) {
    ASSERT_TRUE(other.domain->events.bind_virq(VIRQ_TIMER, base::VcpuId{0}).ok());
    auto const bytes = suspended();
    auto const id = twin();
    ASSERT_EQ(domain_of(id).events.alloc_unbound(base::DomId{0}).value(), base::Port{1});
    ASSERT_EQ(restore(id, bytes, TERN_RECORD_cooperative), 0);
    auto const port = domain_of(id).events.status(base::Port{1}).value();
    EXPECT_EQ(port.status, std::uint32_t{EVTCHNSTAT_unbound});
    EXPECT_EQ(domain_of(id).events.status(base::Port{2}).value().status, std::uint32_t{EVTCHNSTAT_closed});
}

TEST_F(CooperativeRecord, RegistrationsAndTimersAreForTheGuestToMakeAgain) {
    other.vcpu().runstate_area = base::Vaddr{0x5000};
    domain::set_singleshot_timer(other.vcpu(), hypervisor.system->now() + 1'000'000'000);
    auto const bytes = suspended();
    auto const id = twin();
    ASSERT_EQ(restore(id, bytes, TERN_RECORD_cooperative), 0);
    EXPECT_EQ(vcpu_of(id).runstate_area.raw(), 0U);
    EXPECT_FALSE(vcpu_of(id).singleshot.queued());
    EXPECT_FALSE(vcpu_of(id).info_frame.valid());
}

TEST_F(CooperativeRecord, BothCallsAreContinuedWhereTheyStopped) {
    time_flies();
    auto const bytes = suspended();
    EXPECT_GT(hypervisor.continued, 0U);
    auto const id = twin();
    ASSERT_EQ(restore(id, bytes, TERN_RECORD_cooperative), 0);
    EXPECT_GT(hypervisor.continued, 0U);
    EXPECT_TRUE(vcpu_of(id).kernel_root.valid());
    EXPECT_EQ(vcpu_of(id).saved.registers.rip, 0x4444U);
}

TEST_F(CooperativeRecord, AGuestThatRanWithAUserRootOfFrameZeroHasItAgain) {
    ASSERT_TRUE(domain::set_root(other.vcpu(), arch::Root::user, base::Gfn{0}).ok());
    auto const bytes = suspended();
    auto const id = twin();
    ASSERT_EQ(restore(id, bytes, TERN_RECORD_cooperative), 0);
    EXPECT_TRUE(vcpu_of(id).user_root.valid());
    EXPECT_EQ(vcpu_of(id).user_root.gfn, base::Gfn{0});
}

} // namespace
