/// The guest's own page faults. Told by way of a walk that mends what it meets, or, if the guest's tables map nothing there and the
/// stack's page is known, while the CPU counts as in the guest: the kernel can not tell which.
#include <algorithm>
#include <array>

#include "shadow_pt/paging.hpp"
#include "unit/hypercall/kernel.hpp"

namespace {

using namespace test;
namespace fault = shadow_pt::fault;

class PageFault : public Kernel {
  protected:
    static constexpr std::uint64_t kHandler = Hypervisor::kVirtBase + 0x100200;
    static constexpr std::uint64_t kCode = Hypervisor::kVirtBase + 0x100300;
    static constexpr std::uint64_t kStackTop = kPage + 0x1000;

    PageFault() {
        constexpr std::uint8_t kMasksEvents = 4;
        std::array<trap_info_t, 2> traps{};
        traps[0] = {.vector = 14, .flags = kMasksEvents, .cs = FLAT_KERNEL_CS, .address = kHandler};
        EXPECT_EQ(call(__HYPERVISOR_set_trap_table, put(traps)), 0);
    }

    /// What the kernel finds: rcx, r11, error code, rip, cs, rflags, rsp, ss.
    using Frame = std::array<std::uint64_t, 8>;
    struct Told {
        bool at_all = false; ///< the handler runs
        bool in_guest = false;
        Frame frame{};
        std::uint64_t cr2 = 0, rsp = 0;
    };

    domain::RecentPages& known() { return hypervisor.system->this_cpu().kernel_pages; }

    /// The kernel's own code at kCode touches @p address; @p error_code is what the CPU says of it.
    Told touch(std::uint64_t address, std::uint32_t error_code, bool stack_known) {
        hypervisor.put(kStackTop - sizeof(Frame), Frame{}); // so that the page is known
        if (!stack_known)
            known().forget();
        auto& info = *hypervisor.vcpu().info();
        info.evtchn_upcall_mask = 0;
        info.arch.cr2 = 0;
        hypervisor.machine.this_cpu().fault_address = base::Vaddr{address};
        auto& frame = hypervisor.frame;
        frame.rip = kCode;
        frame.rsp = kStackTop;
        frame.rflags = 0x202;
        frame.cs = FLAT_KERNEL_CS;
        frame.ss = FLAT_KERNEL_SS;
        frame.vector = 14;
        frame.error_code = error_code;
        auto const passes = hypervisor.system->this_cpu().passes.load();
        run::handle_exit(*hypervisor.system, frame);
        Told told{.at_all = frame.rip == kHandler,
                  .in_guest = hypervisor.system->this_cpu().passes.load() == passes,
                  .cr2 = info.arch.cr2,
                  .rsp = frame.rsp};
        if (told.at_all) {
            EXPECT_EQ(info.evtchn_upcall_mask, 1);
            told.frame = hypervisor.get<Frame>(frame.rsp);
        }
        return told;
    }
};

TEST_F(PageFault, IsToldTheSameWhetherTheStacksPageIsKnownOrNot) {
    for (std::uint32_t const access : {0U, fault::kWrite, fault::kFetch}) {
        auto const error_code = fault::kUser | access; // the CPU knows of no kernel in ring 3
        auto const by_walk = touch(kNowhere + 0x123, error_code, false);
        auto const in_guest = touch(kNowhere + 0x123, error_code, true);
        EXPECT_FALSE(by_walk.in_guest);
        EXPECT_TRUE(in_guest.in_guest);
        for (auto const& told : {by_walk, in_guest}) {
            EXPECT_TRUE(told.at_all);
            EXPECT_EQ(told.cr2, kNowhere + 0x123);
            EXPECT_EQ(told.frame[2], access);
            EXPECT_EQ(told.frame[3], kCode);
            EXPECT_EQ(told.frame[6], kStackTop);
        }
        EXPECT_EQ(by_walk.frame, in_guest.frame);
        EXPECT_EQ(by_walk.rsp, in_guest.rsp);
    }
}

TEST_F(PageFault, IsTheGuestsOwnAtAPageThatItHasTakenOutOfItsTables) {
    ASSERT_EQ(remap(kOtherPage, 0), 0);
    auto const told = touch(kOtherPage + 8, fault::kUser, true);
    EXPECT_TRUE(told.at_all);
    EXPECT_TRUE(told.in_guest);
    EXPECT_EQ(told.cr2, kOtherPage + 8);
}

TEST_F(PageFault, IsNotToldWhereTheGuestMapsSomethingThatItsShadowDoesNotShowYet) {
    constexpr std::uint64_t kOld = 0x45; // P, U, D: A is clear
    ASSERT_EQ(remap(kOtherPage, frame_at(kOtherPage) << 12 | kOld), 0);
    for (bool const stack_known : {true, false}) {
        auto const told = touch(kOtherPage, fault::kUser, stack_known);
        EXPECT_FALSE(told.at_all);
        EXPECT_FALSE(told.in_guest);
        EXPECT_EQ(told.cr2, 0U) << "what the kernel reads there is of an earlier fault of its own";
        EXPECT_EQ(hypervisor.frame.rip, kCode);
    }
}

TEST_F(PageFault, OfAPageThatIsThereIsJudgedByAWalk) {
    ASSERT_EQ(remap(kOtherPage, frame_at(kOtherPage) << 12 | kReadOnly), 0);
    auto const told = touch(kOtherPage, fault::kUser | fault::kWrite | fault::kProtection, true);
    EXPECT_TRUE(told.at_all);
    EXPECT_FALSE(told.in_guest);
    EXPECT_EQ(told.frame[2], fault::kWrite | fault::kProtection);
}

TEST_F(PageFault, InTheHypervisorsHalfIsToldAndReadsNothingThere) {
    auto const told = touch(kHole, fault::kUser, true);
    EXPECT_TRUE(told.at_all);
    EXPECT_FALSE(told.in_guest);
    EXPECT_EQ(told.cr2, kHole);
}

} // namespace
