/// A vCPU's own state: callbacks, TS, assists, and what CPUID tells of time (docs/abi.md §2.6, §3.2, §4.4).
#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;

class CpuState : public Kernel {
  protected:
    static constexpr std::uint64_t kCode = Hypervisor::kVirtBase + 0x100000;
    static constexpr std::uint64_t kNotCanonical = 0x8000'0000'0000;

    std::int64_t assist(unsigned command, unsigned type) { return call(__HYPERVISOR_vm_assist, command, type); }
};

TEST_F(CpuState, SetCallbacksSetsAllThreeOrNone) {
    auto& vcpu = hypervisor.vcpu();
    ASSERT_EQ(call(__HYPERVISOR_set_callbacks, kCode, kCode + 8, kCode + 16), 0);
    EXPECT_EQ(vcpu.event_callback.address, kCode);
    EXPECT_TRUE(vcpu.event_callback.mask_events);
    EXPECT_EQ(vcpu.failsafe_callback.address, kCode + 8);
    EXPECT_EQ(vcpu.syscall_callback.address, kCode + 16);
    EXPECT_EQ(call(__HYPERVISOR_set_callbacks, kCode + 32, kCode + 32, kNotCanonical), kEinval);
    EXPECT_EQ(vcpu.event_callback.address, kCode);
}

TEST_F(CpuState, AnEventIsDeliveredToTheCallbackOnceItIsThere) {
    ASSERT_EQ(call(__HYPERVISOR_set_callbacks, kCode, kCode + 8, kCode + 16), 0);
    auto const at = put(evtchn_bind_ipi_t{.vcpu = 0, .port = 0});
    ASSERT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, at), 0);
    auto const port = get<evtchn_bind_ipi_t>().port;
    hypervisor.frame.rsp = kPage + 0x800;
    hypervisor.vcpu().info()->evtchn_upcall_mask = 0;
    put(evtchn_send_t{.port = port});
    hypervisor.frame.rax = __HYPERVISOR_event_channel_op;
    hypervisor.frame.rdi = EVTCHNOP_send;
    hypervisor.frame.rsi = kScratch;
    hypervisor.frame.vector = arch::kSyscallVector;
    hypervisor.frame.rcx = kCode + 0x100;
    run::handle_exit(*hypervisor.system, hypervisor.frame);
    EXPECT_EQ(hypervisor.frame.rip, kCode) << "events start unmasked, as the new port is";
    EXPECT_EQ(hypervisor.vcpu().info()->evtchn_upcall_mask, 1);
}

TEST_F(CpuState, TsIsWhatTheGuestSaysUntilADeviceNotAvailableExceptionClearsIt) {
    EXPECT_EQ(call(__HYPERVISOR_fpu_taskswitch, 1), 0);
    EXPECT_TRUE(hypervisor.machine.this_cpu().task_switched);
    EXPECT_EQ(call(__HYPERVISOR_fpu_taskswitch, 0), 0);
    EXPECT_FALSE(hypervisor.machine.this_cpu().task_switched);

    ASSERT_EQ(call(__HYPERVISOR_fpu_taskswitch, 1), 0);
    constexpr std::uint8_t kDeviceNotAvailable = 7;
    std::array<trap_info_t, 2> traps{};
    traps[0] = {.vector = kDeviceNotAvailable, .flags = 0, .cs = FLAT_KERNEL_CS, .address = kCode};
    ASSERT_EQ(call(__HYPERVISOR_set_trap_table, put(traps)), 0);
    hypervisor.frame.rsp = kPage + 0x800;
    hypervisor.frame.vector = kDeviceNotAvailable;
    run::handle_exit(*hypervisor.system, hypervisor.frame);
    EXPECT_EQ(hypervisor.frame.rip, kCode);
    EXPECT_FALSE(hypervisor.machine.this_cpu().task_switched);
}

TEST_F(CpuState, AssistsAreRememberedAndOnlyThoseThatThereAre) {
    auto const runstate = std::uint64_t{1} << VMASST_TYPE_runstate_update_flag;
    EXPECT_EQ(assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
    EXPECT_EQ(hypervisor.dom0->vm_assist.load() & runstate, runstate);
    EXPECT_EQ(assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), 0);
    EXPECT_EQ(hypervisor.dom0->vm_assist.load() & runstate, 0U);
    EXPECT_EQ(assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    EXPECT_EQ(assist(VMASST_CMD_enable, 63), kEinval);
    EXPECT_EQ(assist(VMASST_CMD_enable, 64), kEinval);
    EXPECT_EQ(assist(2, VMASST_TYPE_writable_pagetables), kEnosys);
}

TEST_F(CpuState, CpuidTellsTheSameScaleOfTheTscAsTheTimeInSharedInfo) {
    // The forced-emulation prefix and CPUID, leaf 3 of Xen's, subleaf 1: `ud2; "xen"; cpuid`.
    put(std::array<std::uint8_t, 7>{0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2});
    auto& frame = hypervisor.frame;
    frame.rip = kScratch;
    frame.rax = 0x4000'0003;
    frame.rcx = 1;
    frame.vector = 6;
    run::handle_exit(*hypervisor.system, frame);
    ASSERT_EQ(frame.rip, kScratch + 7);
    auto const& time = hypervisor.vcpu().info()->time;
    EXPECT_EQ(frame.rcx, time.tsc_to_system_mul);
    EXPECT_EQ(static_cast<std::int32_t>(frame.rdx), time.tsc_shift);
    EXPECT_NE(frame.rcx, 0U);
    EXPECT_EQ(frame.rax, 0U) << "no offset: guests read the TSC as it is";
}

} // namespace
