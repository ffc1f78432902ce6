#include "boot/acpi_hpet.hpp"
#include "boot/acpi_mcfg.hpp"

#include <gtest/gtest.h>

#include "unit/boot/firmware.hpp"

namespace {

using base::Error;
using base::Maddr;
using boot::parse_hpet;
using boot::parse_mcfg;

TEST(AcpiHpet, ReadsAQ35) {
    auto const hpet = parse_hpet(test::q35_hpet()).value();
    EXPECT_EQ(hpet.address, Maddr{0xfed00000});
    EXPECT_TRUE(hpet.wide);
    EXPECT_EQ(hpet.number, 0);
}

TEST(AcpiHpet, RefusesWhatIsCutOffOrNotInMemory) {
    auto const whole = test::q35_hpet();
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(boot::parse_hpet(base::Bytes{whole}.first(size))) << size;

    auto in_ports = test::q35_hpet();
    in_ports.patch(40, std::uint8_t{1});
    EXPECT_EQ(parse_hpet(in_ports).error(), Error::invalid);
    auto nowhere = test::q35_hpet();
    nowhere.patch(44, std::uint64_t{0});
    EXPECT_EQ(parse_hpet(nowhere).error(), Error::invalid);
}

TEST(AcpiMcfg, ReadsAQ35) {
    auto const mcfg = parse_mcfg(test::q35_mcfg()).value();
    ASSERT_EQ(mcfg.windows.size(), 1U);
    EXPECT_EQ(mcfg.windows[0].address, Maddr{0xb0000000});
    EXPECT_EQ(mcfg.windows[0].last_bus, 255);
    EXPECT_EQ(mcfg.dropped, 0U);
}

TEST(AcpiMcfg, DropsEntriesThatMakeNoSense) {
    test::ByteBuilder body;
    body.u64(0);
    body.u64(0).u16(0).u8(0).u8(1).u32(0);      // nowhere
    body.u64(0x1000).u16(0).u8(2).u8(1).u32(0); // buses the wrong way round
    body.u64(0x2000).u16(1).u8(0).u8(1).u32(0); // good
    body.u32(0);                                // a piece of one
    auto const mcfg = parse_mcfg(test::acpi_table("MCFG", body)).value();
    ASSERT_EQ(mcfg.windows.size(), 1U);
    EXPECT_EQ(mcfg.windows[0].segment, 1);
    EXPECT_EQ(mcfg.dropped, 3U);
}

TEST(AcpiMcfg, DropsWhatDoesNotFit) {
    test::ByteBuilder body;
    body.u64(0);
    for (unsigned i = 0; i < 20; ++i)
        body.u64(0x1000).u16(i).u8(0).u8(1).u32(0);
    auto const mcfg = parse_mcfg(test::acpi_table("MCFG", body)).value();
    EXPECT_EQ(mcfg.windows.size(), 16U);
    EXPECT_EQ(mcfg.dropped, 4U);
}

TEST(AcpiMcfg, RefusesATableWithoutItsFixedPart) {
    EXPECT_EQ(parse_mcfg(test::acpi_table("MCFG", test::ByteBuilder{}.u32(0))).error(), Error::invalid);
}

} // namespace
