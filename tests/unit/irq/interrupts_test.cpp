// Lines and messages: who gets them, when they are held back, and that nobody gets another's.
#include "irq/interrupts.hpp"

#include <gtest/gtest.h>

#include "arch_fake/machine.hpp"
#include "unit/events/fixture.hpp"

namespace {

using base::CpuId;
using base::Error;
using base::Port;
using events_test::expect_error;
using irq::MessageSlot;

constexpr std::uint32_t kEdge = 4, kLevel = 20; ///< by custom
constexpr MessageSlot kMessage{.function = {.bus = 0, .devfn = 0x18}, .entry = base::Maddr{0xfe00'0040}};

class Interrupts : public events_test::Events {
  protected:
    /// Maps and binds line @p gsi for domain 0.
    Port connect_line(std::uint32_t gsi, CpuId cpu = CpuId{0}) {
        EXPECT_EQ(interrupts.map_line(dom0.table, gsi).value(), gsi);
        return connect_pirq(gsi, cpu);
    }
    Port connect_pirq(irq::Pirq pirq, CpuId cpu = CpuId{0}) {
        auto const port = dom0.table.bind_pirq(pirq).value();
        EXPECT_TRUE(interrupts.connect(dom0.table, pirq, port, cpu).ok());
        return port;
    }
    arch_fake::Line& line(std::uint32_t gsi) { return machine.lines.at(gsi); }
    void interrupt(std::uint32_t vector) { static_cast<void>(interrupts.on_interrupt(vector)); }

    arch_fake::Machine machine;
    irq::PciConfig pci;
    irq::Interrupts interrupts{pci};
};

TEST_F(Interrupts, OfALineRaiseItsPort) {
    auto const port = connect_line(kEdge);
    EXPECT_FALSE(line(kEdge).masked);
    EXPECT_EQ(line(kEdge).mode, (arch::LineMode{.level = false, .low = false}));
    auto const notice = interrupts.on_interrupt(line(kEdge).to.vector);
    ASSERT_TRUE(notice);
    EXPECT_EQ(notice->owner, &dom0);
    EXPECT_EQ(notice->port, port);
    EXPECT_TRUE(dom0.pending(port));
}

TEST_F(Interrupts, ByEdgesAreNeverHeldBack) {
    auto const port = connect_line(kEdge);
    for (int i = 0; i < 3; ++i) {
        dom0.clear_pending(port);
        interrupt(line(kEdge).to.vector);
        EXPECT_TRUE(dom0.pending(port));
        EXPECT_FALSE(line(kEdge).masked);
    }
    EXPECT_FALSE(interrupts.needs_end(dom0.table, kEdge).value());
}

TEST_F(Interrupts, ByLevelAreHeldBackUntilTheDeviceHasBeenServed) {
    connect_line(kLevel);
    EXPECT_EQ(line(kLevel).mode, (arch::LineMode{.level = true, .low = true}));
    EXPECT_TRUE(interrupts.needs_end(dom0.table, kLevel).value());
    interrupt(line(kLevel).to.vector);
    EXPECT_TRUE(line(kLevel).masked);
    EXPECT_TRUE(interrupts.end_of_interrupt(dom0.table, kLevel).ok());
    EXPECT_FALSE(line(kLevel).masked);
}

TEST_F(Interrupts, AreNotUnmaskedByAnEndThatNobodyWaitsFor) {
    connect_line(kLevel);
    interrupt(line(kLevel).to.vector);
    interrupts.disconnect(dom0.table, kLevel);
    EXPECT_TRUE(interrupts.end_of_interrupt(dom0.table, kLevel).ok());
    EXPECT_TRUE(line(kLevel).masked);
    expect_error(interrupts.end_of_interrupt(dom0.table, kEdge), Error::invalid);
}

TEST_F(Interrupts, AreDrivenAsDomainZeroSaysUntilTheyAreConnected) {
    EXPECT_TRUE(interrupts.set_mode(9, {.level = true, .low = false}).ok());
    connect_line(9);
    EXPECT_EQ(line(9).mode, (arch::LineMode{.level = true, .low = false}));
    EXPECT_TRUE(interrupts.set_mode(9, {.level = false, .low = false}).ok());
    EXPECT_TRUE(interrupts.needs_end(dom0.table, 9).value());
    expect_error(interrupts.set_mode(24, {}), Error::not_found);
    expect_error(interrupts.set_mode(~0U, {}), Error::not_found);
}

TEST_F(Interrupts, AreDrivenAsFirmwareSaysByDefault) {
    interrupts.set_default_mode(5, {.level = true, .low = true});
    connect_line(5);
    EXPECT_EQ(line(5).mode, (arch::LineMode{.level = true, .low = true}));
}

TEST_F(Interrupts, OfLinesThatDoNotExistCannotBeHad) {
    expect_error(interrupts.map_line(dom0.table, 24), Error::invalid);
    expect_error(interrupts.map_line(dom0.table, ~0U), Error::invalid);
    expect_error(interrupts.connect(dom0.table, 7, Port{1}, CpuId{0}), Error::invalid);
    expect_error(interrupts.unmap(dom0.table, 7), Error::invalid);
    expect_error(interrupts.needs_end(dom0.table, 7), Error::invalid);
}

TEST_F(Interrupts, OfALineBelongToOneDomain) {
    EXPECT_TRUE(interrupts.map_line(dom0.table, kEdge).ok());
    EXPECT_TRUE(interrupts.map_line(dom0.table, kEdge).ok()) << "again, by the same";
    expect_error(interrupts.map_line(dom1.table, kEdge), Error::exists);
    EXPECT_FALSE(interrupts.has(dom1.table, kEdge));
    expect_error(interrupts.unmap(dom1.table, kEdge), Error::invalid);
    expect_error(interrupts.end_of_interrupt(dom1.table, kEdge), Error::invalid);
}

TEST_F(Interrupts, OfTheHypervisorsOwnLineCannotBeConnected) {
    interrupts.keep(kEdge);
    EXPECT_TRUE(interrupts.map_line(dom0.table, kEdge).ok()) << "Linux maps them all";
    expect_error(interrupts.connect(dom0.table, kEdge, Port{1}, CpuId{0}), Error::busy);
    EXPECT_TRUE(line(kEdge).masked);
}

TEST_F(Interrupts, RaiseOnePortOnly) {
    connect_line(kEdge);
    expect_error(interrupts.connect(dom0.table, kEdge, Port{2}, CpuId{0}), Error::exists);
}

TEST_F(Interrupts, ThatNobodyIsConnectedToAreNothing) {
    EXPECT_FALSE(interrupts.on_interrupt(arch::kFirstDeviceVector));
    EXPECT_FALSE(interrupts.on_interrupt(arch::kLastDeviceVector + 1));
    EXPECT_FALSE(interrupts.on_interrupt(0));
    connect_line(kEdge);
    auto const vector = line(kEdge).to.vector;
    interrupts.disconnect(dom0.table, kEdge);
    EXPECT_TRUE(line(kEdge).masked);
    EXPECT_FALSE(interrupts.on_interrupt(vector));
}

TEST_F(Interrupts, OfAPortThatWasClosedMeanwhileAreNothing) {
    auto const port = connect_line(kEdge);
    EXPECT_EQ(dom0.table.close(port).value().pirq, kEdge);
    auto const notice = interrupts.on_interrupt(line(kEdge).to.vector);
    ASSERT_TRUE(notice);
    EXPECT_FALSE(notice->pending);
    EXPECT_FALSE(dom0.pending(port));
}

TEST_F(Interrupts, FollowTheirVcpuToItsCpu) {
    connect_line(kEdge);
    interrupts.move(dom0.table, kEdge, CpuId{3});
    EXPECT_EQ(line(kEdge).to.cpu, CpuId{3});
    EXPECT_FALSE(line(kEdge).masked);
    interrupts.move(dom0.table, 7, CpuId{3}); // not mapped: nothing
}

TEST_F(Interrupts, ThatWaitForServiceStayMaskedWhenTheyMove) {
    connect_line(kLevel);
    interrupt(line(kLevel).to.vector);
    interrupts.move(dom0.table, kLevel, CpuId{1});
    EXPECT_TRUE(line(kLevel).masked);
    EXPECT_TRUE(interrupts.end_of_interrupt(dom0.table, kLevel).ok());
    EXPECT_FALSE(line(kLevel).masked);
}

TEST_F(Interrupts, ByMessageAreWrittenIntoTheDeviceAndHaveNumbersAboveAllLines) {
    auto const pirq = interrupts.map_message(dom0.table, kMessage).value();
    EXPECT_GE(pirq, irq::kLines);
    auto const port = connect_pirq(pirq, CpuId{2});
    EXPECT_EQ(machine.device_words[0xfe00'0040], 0xfee0'2000U);
    EXPECT_EQ(machine.device_words[0xfe00'0044], 0U);
    EXPECT_EQ(machine.device_words[0xfe00'004c], 0U) << "not masked";
    interrupt(machine.device_words[0xfe00'0048]);
    EXPECT_TRUE(dom0.pending(port));
    EXPECT_FALSE(interrupts.needs_end(dom0.table, pirq).value());
}

TEST_F(Interrupts, HaveAVectorEachUntilThereIsNone) {
    std::set<std::uint32_t> vectors;
    for (;;) {
        auto const pirq = interrupts.map_message(dom0.table, kMessage);
        if (!pirq.ok()) {
            EXPECT_EQ(pirq.error(), Error::no_space);
            break;
        }
        auto const vector = machine.device_words[0xfe00'0048];
        EXPECT_TRUE(vectors.insert(vector).second);
        EXPECT_NE(vector, arch::kNoDeviceVector);
        ASSERT_LE(vectors.size(), 256U);
    }
    EXPECT_EQ(vectors.size(), arch::kLastDeviceVector - arch::kFirstDeviceVector);
    expect_error(interrupts.map_line(dom0.table, kEdge), Error::no_space);
    EXPECT_TRUE(interrupts.unmap(dom0.table, irq::kLines).ok());
    EXPECT_TRUE(interrupts.map_line(dom0.table, kEdge).ok());
}

TEST_F(Interrupts, AllGoWithTheirDomain) {
    connect_line(kEdge);
    auto const message = interrupts.map_message(dom0.table, kMessage).value();
    EXPECT_TRUE(interrupts.map_line(dom1.table, kLevel).ok());
    interrupts.unmap_all(dom0.table);
    EXPECT_TRUE(line(kEdge).masked);
    EXPECT_FALSE(interrupts.has(dom0.table, kEdge));
    EXPECT_FALSE(interrupts.has(dom0.table, message));
    EXPECT_TRUE(interrupts.has(dom1.table, kLevel));
}

} // namespace
