#include "arch_fake/machine.hpp"

#include <gmock/gmock.h>

#include <thread>

#include "base/lock.hpp"

namespace {

using arch_fake::Event;
using arch_fake::Machine;
using arch_fake::OnCpu;
using base::CpuId;
using base::Mfn;

TEST(FakeMachine, StartsWithZeroedFramesAndAnEmptyMachineToPhysTable) {
    Machine machine{{.frames = 8}};
    EXPECT_EQ(*arch::frame_as<std::uint64_t>(Mfn{7}), 0U);
    EXPECT_EQ(arch::machine_to_phys().size(), 8U);
    EXPECT_THAT(arch::machine_to_phys(), testing::Each(~std::uint64_t{0}));
}

TEST(FakeMachine, CopiesOnlyTheGuestsSlotsIntoARoot) {
    Machine machine;
    auto* const shadow = arch::frame_as<std::uint64_t>(Mfn{3});
    for (unsigned slot = 0; slot < base::kTableEntries; ++slot)
        shadow[slot] = 0x1000 + slot;

    arch::install_root(arch::Root::user, Mfn{3});

    auto const& root = machine.this_cpu().root_page(arch::Root::user);
    EXPECT_EQ(root.entries[255], 0x1000U + 255);
    EXPECT_EQ(root.entries[256], 0U);
    EXPECT_EQ(root.entries[271], 0U);
    EXPECT_EQ(root.entries[272], 0x1000U + 272);
}

TEST(FakeMachine, FlushesAnInstalledRootOnceAtItsNextUse) {
    Machine machine;
    arch::install_root(arch::Root::kernel, Mfn{3});
    arch::use_root(arch::Root::kernel);
    arch::use_root(arch::Root::kernel);
    EXPECT_EQ(machine.this_cpu().flushes, 1U);
}

TEST(FakeMachine, PatchesARootOnlyIfItWasInstalledFromThatShadow) {
    Machine machine;
    {
        OnCpu const other{CpuId{1}};
        arch::install_root(arch::Root::kernel, Mfn{3});
    }
    arch::patch_root(CpuId{1}, arch::Root::kernel, Mfn{4}, 5, 0x111);
    EXPECT_EQ(machine.cpu(CpuId{1}).root_page(arch::Root::kernel).entries[5], 0U);
    arch::patch_root(CpuId{1}, arch::Root::kernel, Mfn{3}, 5, 0x222);
    EXPECT_EQ(machine.cpu(CpuId{1}).root_page(arch::Root::kernel).entries[5], 0x222U);
}

TEST(FakeMachine, KnowsWhichCpuEachThreadIs) {
    Machine machine;
    OnCpu const here{CpuId{2}};
    std::thread{[] {
        OnCpu const there{CpuId{3}};
        arch::kick(CpuId{0});
    }}.join();
    arch::kick(CpuId{1});

    auto const events = machine.events();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].by, CpuId{3});
    EXPECT_EQ(events[0].cpu, CpuId{0});
    EXPECT_EQ(events[1].by, CpuId{2});
    EXPECT_EQ(machine.cpu(CpuId{1}).kicks, 1U);
}

TEST(FakeMachine, LoadsNullForASelectorThatCannotBeLoadedAndSaysWhich) {
    Machine machine;
    machine.bad_selectors = {0x63};
    EXPECT_EQ(arch::load_segments({.ds = 0x2b, .fs = 0x63}), arch::fault_fs);
    EXPECT_EQ(arch::read_segments().ds, 0x2b);
    EXPECT_EQ(arch::read_segments().fs, 0);
}

TEST(FakeMachine, RefusesUnknownMsrs) {
    Machine machine;
    machine.msrs[0x10] = 5;
    EXPECT_EQ(arch::read_msr(0x10), 5U);
    EXPECT_EQ(arch::read_msr(0x11), std::nullopt);
    EXPECT_FALSE(arch::write_msr(0x11, 1));
}

TEST(FakeMachine, ReadsAllOnesFromPortsThatNobodyAnswers) {
    Machine machine;
    EXPECT_EQ(arch::port_in(0x80, 1), 0xffU);
    EXPECT_EQ(arch::port_in(0x80, 2), 0xffffU);
    EXPECT_EQ(arch::port_in(0x80, 4), 0xffff'ffffU);
}

TEST(FakeMachine, EndsByAnException) {
    Machine machine;
    EXPECT_THROW(arch::power_off(), arch_fake::PoweredOff);
    EXPECT_THROW(arch::reboot(), arch_fake::Rebooted);
    EXPECT_THROW(arch::dom0_crashed(), arch_fake::Dom0Crashed);
}

} // namespace
