#include "emulate/port_policy.hpp"

#include <array>

#include <gtest/gtest.h>

namespace emulate {
namespace {

constexpr PortFacts kFacts{.uart = 0x3f8, .pm1a_control = 0x604, .pm1b_control = 0};

PortUse of_dom0(unsigned port, unsigned bytes = 1) {
    return port_use(DomainKind::hardware, kFacts, static_cast<std::uint16_t>(port), bytes);
}

TEST(Ports, AreAbsentForEveryDomainButTheHardwareDomain) {
    for (DomainKind const kind : {DomainKind::translated, DomainKind::direct})
        for (unsigned const port : {0x20U, 0x60U, 0x80U, 0xcf8U, 0xcfcU, 0x3f8U, 0xffffU})
            EXPECT_EQ(port_use(kind, kFacts, static_cast<std::uint16_t>(port), 4), PortUse::absent);
}

TEST(Ports, AreTheHardwaresForDom0) {
    for (unsigned const port : {0x00U, 0x60U, 0x64U, 0x80U, 0x1f0U, 0x2f8U, 0x3d4U, 0x608U, 0xc000U, 0xffffU})
        EXPECT_EQ(of_dom0(port), PortUse::hardware) << port;
}

TEST(Ports, OfTheHypervisorAreNotDom0s) {
    for (unsigned const port : {0x20U, 0x21U, 0xa0U, 0xa1U, 0x4d0U, 0x4d1U, 0x3f8U, 0x3fdU, 0x3ffU})
        EXPECT_EQ(of_dom0(port), PortUse::absent) << port;
    for (unsigned const port : {0x40U, 0x43U, 0x61U})
        EXPECT_EQ(of_dom0(port), PortUse::timer) << port;
    EXPECT_EQ(of_dom0(0x70), PortUse::rtc);
    EXPECT_EQ(of_dom0(0x71), PortUse::rtc);
    EXPECT_EQ(port_use(DomainKind::hardware, {}, 0x3f8, 1), PortUse::hardware); // no console there
}

TEST(Ports, ThatEndTheMachineAreWatched) {
    EXPECT_EQ(of_dom0(0x604, 2), PortUse::power);
    EXPECT_EQ(of_dom0(0x605), PortUse::power);
    EXPECT_EQ(of_dom0(0x602, 4), PortUse::power); // reaches into it
    EXPECT_EQ(of_dom0(0xcf9), PortUse::reset);
}

TEST(Ports, OfConfigurationSpaceAreIntercepted) {
    EXPECT_EQ(of_dom0(0xcf8, 4), PortUse::pci_address);
    EXPECT_EQ(of_dom0(0xcf8, 1), PortUse::hardware);
    EXPECT_EQ(of_dom0(0xcf8, 2), PortUse::reset);
    EXPECT_EQ(of_dom0(0xcfc, 4), PortUse::pci_data);
    EXPECT_EQ(of_dom0(0xcfe, 2), PortUse::pci_data);
}

TEST(Ports, NobodyAnswersAcrossTwoDevices) {
    EXPECT_EQ(of_dom0(0x1f, 2), PortUse::absent);
    EXPECT_EQ(of_dom0(0x3f, 2), PortUse::absent);
    EXPECT_EQ(of_dom0(0xcfe, 4), PortUse::absent);
    EXPECT_EQ(of_dom0(0x3f6, 4), PortUse::absent);
    EXPECT_EQ(of_dom0(0xffff, 2), PortUse::absent); // and beyond the last
}

TEST(Ports, TableNamesEachRangeOnceWithAReason) {
    std::array<bool, 0x10000> seen{};
    for (PortRow const& row : port_table()) {
        EXPECT_STRNE(row.reason, "");
        ASSERT_LE(row.first, row.last);
        for (unsigned port = row.first; port <= row.last; ++port) {
            EXPECT_FALSE(seen[port]) << port;
            seen[port] = true;
        }
    }
}

TEST(Ports, ReadAllOnesWhereThereIsNobody) {
    EXPECT_EQ(absent_value(1), 0xffU);
    EXPECT_EQ(absent_value(2), 0xffffU);
    EXPECT_EQ(absent_value(4), 0xffff'ffffU);
}

TEST(IoBitmap, AllowsWhereEveryBitIsClear) {
    std::array<std::uint8_t, 2> const bitmap{0b1111'1101, 0b1111'1110};
    unsigned reads = 0;
    auto const read = [&](base::Vaddr at) -> std::optional<std::uint8_t> {
        ++reads;
        return bitmap[at.raw() - 0x5000];
    };
    auto const allows = [&](std::uint16_t port, unsigned bytes) {
        return io_bitmap_allows(base::Vaddr{0x5000}, 16, port, bytes, read);
    };
    EXPECT_TRUE(allows(1, 1));
    EXPECT_FALSE(allows(0, 1));
    EXPECT_FALSE(allows(1, 2));
    EXPECT_TRUE(allows(8, 1));
    EXPECT_FALSE(allows(7, 2));
    reads = 0;
    EXPECT_FALSE(allows(16, 1)); // beyond its end
    EXPECT_FALSE(allows(0xffff, 4));
    EXPECT_EQ(reads, 0U);
}

TEST(IoBitmap, RefusesWhatCannotBeRead) {
    auto const nothing = [](base::Vaddr) -> std::optional<std::uint8_t> { return std::nullopt; };
    EXPECT_FALSE(io_bitmap_allows(base::Vaddr{0x5000}, 65536, 0x60, 1, nothing));
}

TEST(PciAddress, IsTakenApart) {
    PciAddress const address{0x8000'0000 | 0x12 << 16 | 0x1f << 11 | 3 << 8 | 0x40};
    EXPECT_TRUE(address.enabled());
    EXPECT_EQ(address.bus(), 0x12U);
    EXPECT_EQ(address.device(), 0x1fU);
    EXPECT_EQ(address.function(), 3U);
    EXPECT_EQ(address.offset(0xcfc), 0x40U);
    EXPECT_EQ(address.offset(0xcfe), 0x42U);
    EXPECT_EQ(PciAddress{0x8500'0010}.offset(0xcfc), 0x510U);
    EXPECT_FALSE(PciAddress{0x0000'0040}.enabled());
}

} // namespace
} // namespace emulate
