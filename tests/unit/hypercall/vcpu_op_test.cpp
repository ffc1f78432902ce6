/// Bringing vCPUs up and down (docs/abi.md §3.9, §7).
#include <thread>

#include "domain/running.hpp"
#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;

class VcpuOp : public Kernel {
  protected:
    static constexpr std::uint64_t kCode = Hypervisor::kVirtBase + 0x100000;
    static constexpr std::uint64_t kContext = Hypervisor::kVirtBase + 0x40000;

    /// As a kernel starts its second vCPU.
    vcpu_guest_context_t context() {
        vcpu_guest_context_t made{};
        made.flags = VGCF_in_kernel;
        made.user_regs.rip = kCode;
        made.user_regs.rsp = kPage + 0x1000;
        made.user_regs.cs = FLAT_KERNEL_CS;
        made.user_regs.ss = FLAT_KERNEL_SS;
        made.user_regs.rdi = 1234;
        made.ctrlreg[3] = hypervisor.vcpu().kernel_root.gfn.raw() << 12;
        made.event_callback_eip = made.failsafe_callback_eip = made.syscall_callback_eip = kCode;
        return made;
    }
    std::int64_t initialise(vcpu_guest_context_t const& with, unsigned vcpu = 1) {
        return call(__HYPERVISOR_vcpu_op, VCPUOP_initialise, vcpu, hypervisor.put(kContext, with));
    }
    std::int64_t op(unsigned command, unsigned vcpu = 1) { return call(__HYPERVISOR_vcpu_op, command, vcpu, 0); }

    domain::Vcpu& second() { return *hypervisor.dom0->vcpus[1]; }
    shadow_pt::UseWord word(std::uint64_t frame) { return info(frame).state.word(); }
};

TEST_F(VcpuOp, AVcpuRunsFromItsContextOnceItIsUp) {
    EXPECT_EQ(op(VCPUOP_up), kEinval) << "it has no context";
    ASSERT_EQ(initialise(context()), 0);
    EXPECT_EQ(op(VCPUOP_is_up), 0);
    EXPECT_EQ(op(VCPUOP_up), 0);
    EXPECT_EQ(op(VCPUOP_is_up), 1);
    EXPECT_EQ(op(VCPUOP_up), 0) << "once more does no harm";

    arch_fake::OnCpu const here{base::CpuId{1}};
    arch::Registers frame{};
    run::enter_next(*hypervisor.system, frame);
    EXPECT_EQ(hypervisor.system->this_cpu().current.load(), &second());
    EXPECT_EQ(frame.rip, kCode);
    EXPECT_EQ(frame.rdi, 1234U);
    EXPECT_EQ(frame.cs & 3, 3U);
}

TEST_F(VcpuOp, AVcpuIsInitialisedOnce) {
    ASSERT_EQ(initialise(context()), 0);
    EXPECT_EQ(initialise(context()), kEexist);
    EXPECT_EQ(initialise(context(), 0), kEexist) << "the one that runs";
    EXPECT_EQ(initialise(context(), 2), kEnoent) << "there are two";
}

TEST_F(VcpuOp, AContextThatIsRefusedLeavesNothingBehindAndAnotherMayFollow) {
    auto const root = blank(0);
    auto const slot = base::table_index(base::Vaddr{Hypervisor::kVirtBase}, 4);
    ASSERT_EQ(update(root, slot, arch::frame_as<std::uint64_t>(hypervisor.vcpu().kernel_root.tables.table)[slot]), 0);
    for (bool const preempted : {false, true}) {
        if (preempted)
            time_flies();
        auto wrong = context();
        wrong.ctrlreg[3] = root << 12;
        wrong.gdt_ents = 512;
        wrong.gdt_frames[0] = frame_at(kPage); // mapped writable
        EXPECT_EQ(initialise(wrong), kEinval);
        EXPECT_EQ(word(root).use(), shadow_pt::Use::none);
        wrong = context();
        wrong.ctrlreg[3] = root << 12;
        wrong.ctrlreg[1] = frame_at(kPage) << 12;
        EXPECT_EQ(initialise(wrong), kEinval);
        EXPECT_EQ(word(root).use(), shadow_pt::Use::none);
        wrong = context();
        wrong.user_regs.rip = 0x8000'0000'0000;
        EXPECT_EQ(initialise(wrong), kEinval);
        wrong = context();
        wrong.flags = 0;
        EXPECT_EQ(initialise(wrong), kEinval) << "user mode, and no user root";
        EXPECT_EQ(op(VCPUOP_up), kEinval);
    }
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, kNowhere), kEfault);
    EXPECT_EQ(initialise(context()), 0);
}

TEST_F(VcpuOp, AVcpuThatIsTakenDownLeavesItsCpuAndComesBackWhereItWas) {
    ASSERT_EQ(initialise(context()), 0);
    ASSERT_EQ(op(VCPUOP_up), 0);
    arch::Registers frame{};
    {
        arch_fake::OnCpu const there{base::CpuId{1}};
        run::enter_next(*hypervisor.system, frame);
        hypervisor.system->this_cpu().in_guest = false; // at the door: an interrupt
        frame.rip = kCode + 64;
    }
    EXPECT_EQ(op(VCPUOP_down), 0);
    EXPECT_EQ(op(VCPUOP_is_up), 0);
    EXPECT_EQ(hypervisor.machine.cpu(base::CpuId{1}).kicks, 1U);
    {
        arch_fake::OnCpu const there{base::CpuId{1}};
        frame.vector = 0xf0;
        EXPECT_THROW(run::handle_exit(*hypervisor.system, frame), Idle);
        EXPECT_TRUE(second().entity.off());
    }
    EXPECT_EQ(op(VCPUOP_up), 0);
    arch_fake::OnCpu const there{base::CpuId{1}};
    run::enter_next(*hypervisor.system, frame);
    EXPECT_EQ(frame.rip, kCode + 64);
}

TEST_F(VcpuOp, UpWhileDownIsUnderWayNeverResumesWhatWasNotPaused) {
    ASSERT_EQ(initialise(context()), 0);
    constexpr unsigned kTimes = 20'000;
    auto& vcpu = second();
    std::thread other{[&] {
        arch_fake::OnCpu const here{base::CpuId{1}};
        for (unsigned i = 0; i < kTimes; ++i)
            domain::bring_up(vcpu);
    }};
    for (unsigned i = 0; i < kTimes; ++i)
        domain::take_down(vcpu);
    other.join();
    // The scheduler asserts that it is never resumed more often than paused; and no pause is left over.
    domain::bring_up(vcpu);
    EXPECT_FALSE(vcpu.entity.off());
    domain::take_down(vcpu);
    EXPECT_TRUE(vcpu.entity.off());
}

TEST_F(VcpuOp, TheLastVcpuToGoDownEndsTheDomain) { EXPECT_THROW(op(VCPUOP_down, 0), arch_fake::PoweredOff); }

TEST_F(VcpuOp, VcpuInfoMovesOnceIntoAFrameOfTheDomain) {
    auto const place = [&](std::uint64_t frame, std::uint32_t offset, unsigned vcpu = 1) {
        return call(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, vcpu,
                    put(vcpu_register_vcpu_info_t{.mfn = frame, .offset = offset, .rsvd = 0}));
    };
    EXPECT_EQ(place(frame_at(kPage), 4040), kEnxio);
    EXPECT_EQ(place(frame_at(kPage), 4), kEnxio);
    EXPECT_EQ(place(hypervisor.dom0->shared_frame.raw(), 0), kEinval);
    EXPECT_EQ(place(hypervisor.vcpu().kernel_root.gfn.raw(), 0), kEinval) << "a page table";
    EXPECT_EQ(place(frame_at(kPage), 64), 0);
    EXPECT_EQ(place(frame_at(kPage), 128), kEinval) << "a second time";
    EXPECT_EQ(second().info(), reinterpret_cast<vcpu_info_t*>(arch::direct_map(base::Mfn{frame_at(kPage)}) + 64));
}

TEST_F(VcpuOp, WhatIsForTheVcpuItselfIsRefusedToOthers) {
    auto const period = put(vcpu_set_periodic_timer_t{.period_ns = 10'000'000});
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, period), 0);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 1, period), 0) << "which is for all, as in Xen";
    EXPECT_EQ(op(VCPUOP_stop_singleshot_timer), kEinval);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 1, 1), kEinval);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, 77, 1, 0), kEnosys);
}

TEST_F(VcpuOp, WhatFirmwareCallsItsCpuIsToldOfAVcpuThatStaysOnOne) {
    auto const ask = [&] { return call(__HYPERVISOR_vcpu_op, VCPUOP_get_physid, 1, kScratch); };
    EXPECT_EQ(ask(), kEinval) << "it may run anywhere";
    sched::Affinity one;
    one.set(1);
    ASSERT_TRUE(hypervisor.system->scheduler.set_affinity(second().entity, one, hypervisor.system->now()).ok());
    ASSERT_EQ(ask(), 0);
    auto const id = arch::firmware_id(base::CpuId{1});
    EXPECT_EQ(get<vcpu_get_physid_t>().phys_id, id.apic_id | std::uint64_t{id.acpi_id} << 32);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_get_physid, 1, kNowhere), kEfault);
}

class HardwareTimer : public Kernel {
  protected:
    void wake_at(std::uint64_t deadline) {
        vcpu_set_singleshot_timer_t const wanted{.timeout_abs_ns = deadline, .flags = 0};
        ASSERT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, put(wanted)), 0);
    }
    std::size_t times_set() { return hypervisor.machine.count(arch_fake::Event::Kind::set_timer); }
    void milliseconds_go_by(std::uint64_t count) { hypervisor.machine.tsc += count * hypervisor.machine.tsc_khz; }
    /// Comes out with an interrupt: the timer's, if it is due.
    void is_interrupted() { static_cast<void>(call(__HYPERVISOR_xen_version, XENVER_version)); }
    bool fired() { return !hypervisor.vcpu().singleshot.queued(); }
};

TEST_F(HardwareTimer, IsLeftAloneWhenADeadlineMovesAway) {
    auto const now = hypervisor.system->now();
    wake_at(now + 2'000'000);
    auto const before = times_set();
    for (std::uint64_t later = 3; later <= 9; ++later)
        wake_at(now + later * 1'000'000);
    EXPECT_EQ(times_set(), before) << "it fires early, once";

    wake_at(now + 1'000'000);
    EXPECT_EQ(times_set(), before + 1);
}

TEST_F(HardwareTimer, ThatFiredEarlyIsSetAgain) {
    auto const now = hypervisor.system->now();
    wake_at(now + 2'000'000);
    wake_at(now + 5'000'000);
    milliseconds_go_by(3);
    is_interrupted();
    EXPECT_FALSE(fired());
    EXPECT_LE(hypervisor.system->clock.now(hypervisor.machine.this_cpu().timer), now + 5'100'000);
    milliseconds_go_by(3);
    is_interrupted();
    EXPECT_TRUE(fired());
}

} // namespace
