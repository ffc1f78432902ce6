#include "events/event_table.hpp"

#include <random>

#include "fixture.hpp"

namespace events_test {

using events::Notice;

TEST_F(Events, SendingToTheOtherEndSetsItsBitsAndNamesItsVcpu) {
    auto const [here, there] = connect(dom0, dom1);
    ASSERT_TRUE(dom1.table.bind_vcpu(there, VcpuId{2}).ok());
    Notice const notice = dom0.table.send(here).value();
    EXPECT_EQ(notice.owner, &dom1);
    EXPECT_EQ(notice.vcpu, VcpuId{2});
    EXPECT_EQ(notice.port, there);
    EXPECT_TRUE(notice.pending);
    EXPECT_TRUE(notice.upcall);
    EXPECT_TRUE(dom1.pending(there));
    EXPECT_EQ(dom1.info(2).evtchn_pending_sel, 1UL << there.raw() / 64);
    EXPECT_EQ(dom1.info(2).evtchn_upcall_pending, 1);
    EXPECT_EQ(dom1.info(0).evtchn_upcall_pending, 0);
    EXPECT_FALSE(dom0.pending(here));
}

TEST_F(Events, WhatIsPendingAlreadyIsNotRaisedAgain) {
    auto const [here, there] = connect(dom0, dom1);
    ASSERT_TRUE(dom0.table.send(here).value().upcall);
    Notice const again = dom0.table.send(here).value();
    EXPECT_FALSE(again.pending);
    EXPECT_FALSE(again.upcall);
    dom1.take_upcall();
    EXPECT_FALSE(dom0.table.send(here).value().upcall); // the guest has not cleared the pending bit
    dom1.clear_pending(there);
    EXPECT_TRUE(dom0.table.send(here).value().upcall);
}

TEST_F(Events, AMaskedPortBecomesPendingWithoutAnUpcallButPollersAreWoken) {
    auto const [here, there] = connect(dom0, dom1);
    dom1.mask(there);
    Notice const notice = dom0.table.send(here).value();
    EXPECT_TRUE(notice.pending);
    EXPECT_FALSE(notice.upcall);
    EXPECT_TRUE(dom1.pending(there));
    EXPECT_EQ(dom1.info().evtchn_pending_sel, 0u);
    EXPECT_EQ(dom1.info().evtchn_upcall_pending, 0);
}

TEST_F(Events, AVcpuIsNotifiedOnceUntilItTakesTheUpcall) {
    auto const one = dom1.table.bind_ipi(VcpuId{0}).value();
    auto const two = dom1.table.bind_ipi(VcpuId{0}).value();
    EXPECT_TRUE(dom1.table.send(one).value().upcall);
    Notice const second = dom1.table.send(two).value();
    EXPECT_TRUE(second.pending);
    EXPECT_FALSE(second.upcall);
    dom1.take_upcall();
    dom1.clear_pending(two);
    EXPECT_TRUE(dom1.table.send(two).value().upcall);
}

TEST_F(Events, APortOfAHighNumberSetsItsOwnSelectorBit) {
    Port last{};
    for (std::uint32_t i = 1; i < events::kPorts; ++i)
        last = dom1.table.bind_ipi(VcpuId{1}).value();
    ASSERT_EQ(last, Port{4095});
    ASSERT_TRUE(dom1.table.send(last).ok());
    EXPECT_EQ(dom1.info(1).evtchn_pending_sel, 1UL << 63);
    EXPECT_EQ(dom1.shared->evtchn_pending[63], 1UL << 63);
}

TEST_F(Events, AnIpiGoesToTheVcpuItWasBoundFor) {
    auto const port = dom1.table.bind_ipi(VcpuId{5}).value();
    EXPECT_EQ(dom1.status(port).status, unsigned{EVTCHNSTAT_ipi});
    EXPECT_EQ(dom1.status(port).vcpu, 5u);
    EXPECT_EQ(dom1.table.send(port).value().vcpu, VcpuId{5});
    EXPECT_EQ(dom1.info(5).evtchn_upcall_pending, 1);
}

TEST_F(Events, SendingToAnUnboundPortIsNothingAndToOthersRefused) {
    auto const unbound = dom1.table.alloc_unbound(DomId{0}).value();
    Notice const notice = dom1.table.send(unbound).value();
    EXPECT_FALSE(notice.pending || notice.upcall);
    EXPECT_FALSE(dom1.pending(unbound));

    expect_error(dom1.table.send(dom1.table.bind_virq(VIRQ_TIMER, VcpuId{0}).value()), Error::invalid);
    expect_error(dom1.table.send(dom1.table.bind_pirq(1).value()), Error::invalid);
    expect_error(dom1.table.send(Port{0}), Error::invalid);
    expect_error(dom1.table.send(Port{60}), Error::invalid);
    expect_error(dom1.table.send(Port{4096}), Error::invalid);
    expect_error(dom1.table.send(Port{0xffffffff}), Error::invalid);
}

TEST_F(Events, AVcpusOwnVirqIsRaisedOnThatVcpu) {
    auto const zero = dom1.table.bind_virq(VIRQ_TIMER, VcpuId{0}).value();
    auto const one = dom1.table.bind_virq(VIRQ_TIMER, VcpuId{1}).value();
    EXPECT_EQ(dom1.table.raise_virq(VIRQ_TIMER, VcpuId{1}).vcpu, VcpuId{1});
    EXPECT_TRUE(dom1.pending(one));
    EXPECT_FALSE(dom1.pending(zero));
}

TEST_F(Events, AGlobalVirqGoesToTheVcpuThatItsPortIsBoundTo) {
    auto const port = dom0.table.bind_virq(VIRQ_CONSOLE, VcpuId{0}).value();
    ASSERT_TRUE(dom0.table.bind_vcpu(port, VcpuId{3}).ok());
    Notice const notice = dom0.table.raise_virq(VIRQ_CONSOLE);
    EXPECT_EQ(notice.vcpu, VcpuId{3});
    EXPECT_TRUE(notice.upcall);
}

TEST_F(Events, AVirqThatNobodyBoundIsNothing) {
    Notice const notice = dom1.table.raise_virq(VIRQ_DEBUG, VcpuId{0});
    EXPECT_FALSE(notice.pending || notice.upcall);
    for (auto const word : dom1.shared->evtchn_pending)
        EXPECT_EQ(word, 0u);
}

TEST_F(Events, APirqIsRaisedAsLongAsItsPortIsItsOwn) {
    auto const port = dom0.table.bind_pirq(12).value();
    EXPECT_TRUE(dom0.table.raise_pirq(port, 12).upcall);
    dom0.clear_pending(port);
    EXPECT_FALSE(dom0.table.raise_pirq(port, 13).pending);
    ASSERT_TRUE(dom0.table.close(port).ok());
    ASSERT_EQ(dom0.table.bind_ipi(VcpuId{0}).value(), port);
    EXPECT_FALSE(dom0.table.raise_pirq(port, 12).pending);
    EXPECT_FALSE(dom0.table.raise_pirq(Port{9999}, 12).pending);
}

TEST_F(Events, UnmaskingTellsTheVcpuWhatItMissed) {
    auto const [here, there] = connect(dom0, dom1);
    ASSERT_TRUE(dom1.table.bind_vcpu(there, VcpuId{1}).ok());
    dom1.mask(there);
    ASSERT_FALSE(dom0.table.send(here).value().upcall);
    Notice const notice = dom1.table.unmask(there).value();
    EXPECT_TRUE(notice.upcall);
    EXPECT_FALSE(notice.pending); // pollers were woken when it was raised
    EXPECT_EQ(notice.vcpu, VcpuId{1});
    EXPECT_FALSE(dom1.masked(there));
    EXPECT_EQ(dom1.info(1).evtchn_upcall_pending, 1);
}

TEST_F(Events, UnmaskingWithNothingPendingOnlyClearsTheMask) {
    auto const port = dom1.table.bind_ipi(VcpuId{0}).value();
    dom1.mask(port);
    EXPECT_FALSE(dom1.table.unmask(port).value().upcall);
    EXPECT_FALSE(dom1.masked(port));
}

TEST_F(Events, UnmaskingWhatIsNotMaskedRaisesNothingTwice) {
    auto const port = dom1.table.bind_ipi(VcpuId{0}).value();
    ASSERT_TRUE(dom1.table.send(port).ok());
    dom1.take_upcall();
    EXPECT_FALSE(dom1.table.unmask(port).value().upcall);
}

TEST_F(Events, UnmaskingAClosedPortIsNothingAndOneThatDoesNotExistRefused) {
    dom1.mask(Port{7});
    EXPECT_TRUE(dom1.table.unmask(Port{7}).ok());
    EXPECT_TRUE(dom1.masked(Port{7}));
    expect_error(dom1.table.unmask(Port{64}), Error::invalid);
}

TEST_F(Events, PollSeesPendingPortsWhetherMaskedOrNot) {
    auto const port = dom1.table.bind_ipi(VcpuId{0}).value();
    EXPECT_FALSE(dom1.table.is_pending(port).value());
    dom1.mask(port);
    ASSERT_TRUE(dom1.table.send(port).ok());
    EXPECT_TRUE(dom1.table.is_pending(port).value());
    expect_error(dom1.table.is_pending(Port{64}), Error::invalid);
    expect_error(dom1.table.is_pending(Port{0xffffffff}), Error::invalid);
}

TEST_F(Events, MovingVcpuInfoCopiesItAndHasTheVcpuLookAtAllPorts) {
    dom1.info(1).arch.cr2 = 0x1234;
    dom1.info(1).evtchn_upcall_mask = 1;
    vcpu_info_t moved{};
    dom1.table.move_vcpu_info(VcpuId{1}, moved);
    EXPECT_EQ(dom1.table.vcpu_info(VcpuId{1}), &moved);
    EXPECT_EQ(moved.arch.cr2, 0x1234u);
    EXPECT_EQ(moved.evtchn_upcall_mask, 1);
    EXPECT_EQ(moved.evtchn_upcall_pending, 1);
    EXPECT_EQ(moved.evtchn_pending_sel, ~0UL);

    moved.evtchn_upcall_pending = 0;
    moved.evtchn_pending_sel = 0;
    auto const port = dom1.table.bind_ipi(VcpuId{1}).value();
    EXPECT_TRUE(dom1.table.send(port).value().upcall);
    EXPECT_EQ(moved.evtchn_upcall_pending, 1);
    EXPECT_EQ(dom1.shared->vcpu_info[1].evtchn_upcall_pending, 0);
}

TEST_F(Events, AVcpuWithoutVcpuInfoMissesNothing) {
    ASSERT_EQ(dom1.table.vcpu_info(VcpuId{39}), nullptr);
    auto const port = dom1.table.bind_ipi(VcpuId{39}).value();
    Notice const notice = dom1.table.send(port).value();
    EXPECT_TRUE(notice.pending);
    EXPECT_FALSE(notice.upcall);
    vcpu_info_t info{};
    dom1.table.move_vcpu_info(VcpuId{39}, info);
    EXPECT_TRUE(dom1.pending(port));
    EXPECT_EQ(info.evtchn_upcall_pending, 1);
    EXPECT_EQ(dom1.table.vcpu_info(VcpuId{kVcpus}), nullptr);
}

TEST_F(Events, WhateverAGuestScribblesOnItsWordsOthersGetTheirEvents) {
    std::mt19937_64 random{1};
    auto const [to_hostile, hostile_port] = connect(dom0, dom1);
    auto const [to_good, good_port] = connect(dom0, dom2);
    auto const from_hostile = connect(dom1, dom2).first;
    for (int round = 0; round < 2000; ++round) {
        for (auto& word : dom1.shared->evtchn_pending)
            word = random();
        for (auto& word : dom1.shared->evtchn_mask)
            word = random();
        for (auto& info : dom1.shared->vcpu_info) {
            info.evtchn_pending_sel = random();
            info.evtchn_upcall_pending = static_cast<std::uint8_t>(random());
        }
        Notice const hostile = dom0.table.send(to_hostile).value();
        EXPECT_TRUE(hostile.owner == nullptr || (hostile.owner == &dom1 && hostile.port == hostile_port));
        Notice const own = dom1.table.send(from_hostile).value();
        EXPECT_EQ(own.owner, &dom2);
        EXPECT_TRUE(own.upcall);
        Notice const good = dom0.table.send(to_good).value();
        EXPECT_EQ(good.port, good_port);
        EXPECT_TRUE(good.pending);
        EXPECT_TRUE(static_cast<bool>(dom1.table.unmask(Port{static_cast<std::uint32_t>(random() % 64)})));
        for (auto& word : dom2.shared->evtchn_pending)
            word = 0;
        dom2.take_upcall();
    }
}

} // namespace events_test
