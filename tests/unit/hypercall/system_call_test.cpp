/// The way into the guest's kernel and back: system calls, and the iret hypercall. Answered by a walk, or, once the stack's
/// page is known, while the CPU counts as in the guest: nobody can tell which.
#include <algorithm>
#include <cstring>
#include <span>

#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;

class SystemCall : public Kernel {
  protected:
    static constexpr std::uint64_t kEntry = Hypervisor::kVirtBase + 0x100100;
    static constexpr std::uint64_t kProgram = 0x40'1000;
    static constexpr std::uint64_t kProgramStack = 0x7fff'1000;
    static constexpr std::uint64_t kStackTop = kPage + 0x1000;

    SystemCall() {
        EXPECT_EQ(call(__HYPERVISOR_set_callbacks, kEntry + 16, kEntry + 32, kEntry), 0);
        EXPECT_EQ(call(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, kStackTop), 0);
        EXPECT_EQ(extended(MMUEXT_NEW_USER_BASEPTR, hypervisor.vcpu().kernel_root.gfn.raw()), 0);
    }

    domain::RecentPages& known() { return hypervisor.system->this_cpu().kernel_pages; }

    /// The program makes a system call.
    void enter() {
        auto& frame = hypervisor.frame;
        frame.rcx = kProgram;
        frame.r11 = 0x202;
        frame.rsp = kProgramStack;
        frame.rax = 39;
        frame.vector = arch::kSyscallVector;
        run::handle_exit(*hypervisor.system, frame);
    }

    /// The kernel goes back to the program, with this frame at @p at.
    void leave(std::uint64_t at, std::uint64_t rflags = 0x202) {
        // Through the shadows, as the kernel's own stores: the hypervisor learns nothing.
        iret_context context{};
        context.rax = 77;
        context.rcx = kProgram;
        context.r11 = rflags;
        context.rip = kProgram + 2;
        context.cs = FLAT_USER_CS64;
        context.rflags = rflags;
        context.rsp = kProgramStack;
        context.ss = FLAT_USER_SS64;
        auto const before = known();
        hypervisor.put(at, context);
        known() = before;
        auto& frame = hypervisor.frame;
        frame.rax = __HYPERVISOR_iret;
        frame.rsp = at;
        frame.vector = arch::kSyscallVector;
        run::handle_exit(*hypervisor.system, frame);
    }

    /// rcx, r11, rip, cs, rflags, rsp, ss, as the kernel finds them.
    using Frame = std::array<std::uint64_t, 7>;
    static constexpr std::uint64_t kFrameAt = kStackTop - sizeof(Frame);
    Frame pushed() { return hypervisor.get<Frame>(kFrameAt); }
    void erase_stack() {
        auto const before = known();
        hypervisor.put(kFrameAt, Frame{});
        known() = before;
    }
    bool stack_known() { return known().find(base::Vaddr{kFrameAt}, sizeof(Frame)).valid(); }
};

TEST_F(SystemCall, PushesTheSameFrameWhetherTheStacksPageIsKnownOrNot) {
    leave(kPage);
    known().forget();
    erase_stack();
    enter();
    auto const by_walk = pushed();
    EXPECT_EQ(by_walk, (Frame{kProgram, 0x202, kProgram, FLAT_KERNEL_CS | 3, 0x202, kProgramStack, FLAT_KERNEL_SS}));
    auto const registers = hypervisor.frame;
    ASSERT_TRUE(stack_known());

    leave(kPage);
    erase_stack();
    enter();
    EXPECT_EQ(pushed(), by_walk);
    EXPECT_EQ(hypervisor.frame.rip, registers.rip);
    EXPECT_EQ(hypervisor.frame.rsp, registers.rsp);
    EXPECT_EQ(hypervisor.frame.cs, registers.cs);
    EXPECT_TRUE(hypervisor.vcpu().in_kernel());
}

TEST_F(SystemCall, IsLeftByIretWithEveryRegisterOfItsFrame) {
    for (bool const known_page : {false, true}) {
        leave(kPage);
        enter();
        if (!known_page)
            known().forget();
        leave(kPage);
        auto const& frame = hypervisor.frame;
        EXPECT_FALSE(hypervisor.vcpu().in_kernel());
        EXPECT_EQ(frame.rip, kProgram + 2);
        EXPECT_EQ(frame.rsp, kProgramStack);
        EXPECT_EQ(frame.rax, 77U);
        EXPECT_EQ(frame.r11, 0x202U);
        EXPECT_EQ(frame.cs, FLAT_USER_CS64);
        EXPECT_EQ(hypervisor.vcpu().info()->evtchn_upcall_mask, 0);
    }
}

TEST_F(SystemCall, GoesToTheNewFrameOnceTheKernelHasMappedItsStackElsewhere) {
    leave(kPage);
    enter();
    ASSERT_TRUE(stack_known());
    auto const old_frame = base::Mfn{frame_at(kPage)};
    ASSERT_EQ(remap(kPage, frame_at(kOtherPage) << 12 | kWritable), 0);
    EXPECT_FALSE(stack_known());
    leave(kPage);
    std::memset(arch::direct_map(old_frame), 0, base::kPageSize);
    enter();
    EXPECT_EQ(pushed()[0], kProgram);
    auto const words = std::span{arch::frame_as<std::uint64_t>(old_frame), base::kTableEntries};
    EXPECT_TRUE(std::ranges::all_of(words, [](std::uint64_t word) { return word == 0; }))
        << "it is not the stack any more";
}

TEST_F(SystemCall, KnowsNothingAfterAFlushOrANewRoot) {
    leave(kPage);
    enter();
    ASSERT_TRUE(stack_known());
    hypervisor.system->flush_clock.flush_here();
    EXPECT_FALSE(stack_known());
    leave(kPage);
    enter();
    ASSERT_TRUE(stack_known());
    ASSERT_EQ(extended(MMUEXT_NEW_BASEPTR, hypervisor.vcpu().kernel_root.gfn.raw()), 0);
    EXPECT_FALSE(stack_known());
}

TEST_F(SystemCall, OnAStackThatCannotBeWrittenEndsTheDomain) {
    leave(kPage);
    ASSERT_EQ(hypervisor.vcpu().kernel_sp, kStackTop);
    hypervisor.vcpu().kernel_sp = kNowhere;
    known().forget();
    EXPECT_ANY_THROW(enter());
}

TEST_F(SystemCall, IsFollowedAtOnceByTheEventsThatItsIretUnmasks) {
    leave(kPage);
    enter();
    ASSERT_TRUE(stack_known());
    EXPECT_EQ(hypervisor.vcpu().info()->evtchn_upcall_mask, 0) << "SYSCALL's callback masks nothing unless asked to";
    hypervisor.vcpu().info()->evtchn_upcall_mask = 1;
    hypervisor.vcpu().info()->evtchn_upcall_pending = 1;
    leave(kPage);
    EXPECT_EQ(hypervisor.frame.rip, kEntry + 16) << "the event callback";
    EXPECT_EQ(hypervisor.vcpu().info()->evtchn_upcall_mask, 1);
    EXPECT_EQ(pushed()[2], kProgram + 2) << "it interrupts the program before its next instruction";
}

} // namespace
