#include "boot/acpi_fadt.hpp"

#include <gtest/gtest.h>

#include "unit/boot/firmware.hpp"

namespace {

using base::Error;
using base::Maddr;
using boot::parse_fadt;
using Space = boot::GenericAddress::Space;

/// The bytes of a q35's table, to be changed.
test::ByteBuilder q35() { return test::ByteBuilder{}.append(test::q35_fadt()); }

TEST(AcpiFadt, ReadsAQ35) {
    auto const result = parse_fadt(test::q35_fadt());
    ASSERT_TRUE(result);
    auto const& fadt = result.value();
    EXPECT_EQ(fadt.sci_irq, 9);
    EXPECT_EQ(fadt.dsdt, Maddr{0x7ffe0040});
    EXPECT_EQ(fadt.smi_command, 0xb2U);
    EXPECT_EQ(fadt.acpi_enable, 2);
    EXPECT_TRUE(fadt.has_8042());
    EXPECT_FALSE(fadt.wide_pm_timer());
    EXPECT_FALSE(fadt.hardware_reduced());
    EXPECT_EQ(fadt.pm1a_event.address, 0x600U);
    EXPECT_EQ(fadt.pm1a_control.address, 0x604U);
    EXPECT_EQ(fadt.pm1a_control.space, Space::io);
    EXPECT_EQ(fadt.pm1a_control.bit_width, 16);
    EXPECT_FALSE(fadt.pm1b_control.present());
    EXPECT_EQ(fadt.pm_timer.address, 0x608U);
    EXPECT_EQ(fadt.reset.address, 0xcf9U);
    EXPECT_EQ(fadt.reset_value, 0x0f);
}

TEST(AcpiFadt, TakesTheOldPortsWhereThereAreNoExtendedFields) {
    auto const full = q35();
    auto const result = parse_fadt(base::Bytes{full}.first(116));
    ASSERT_TRUE(result);
    auto const& fadt = result.value();
    EXPECT_EQ(fadt.pm1a_control.address, 0x604U);
    EXPECT_EQ(fadt.pm1a_control.bit_width, 16);
    EXPECT_EQ(fadt.pm_timer.bit_width, 32);
    EXPECT_EQ(fadt.dsdt, Maddr{0x7ffe0040});
    EXPECT_FALSE(fadt.reset.present());
}

TEST(AcpiFadt, PrefersTheExtendedFields) {
    auto table = q35();
    table.patch(172, std::uint8_t{0}).patch(176, std::uint64_t{0x1'2345'0000});
    table.patch(140, std::uint64_t{0x1'0000'0000});
    auto const fadt = parse_fadt(table).value();
    EXPECT_EQ(fadt.pm1a_control.address, 0x1'2345'0000U);
    EXPECT_EQ(fadt.pm1a_control.space, Space::memory);
    EXPECT_EQ(fadt.dsdt, Maddr{0x1'0000'0000});
}

TEST(AcpiFadt, FallsBackWhereAnExtendedFieldIsZero) {
    auto table = q35();
    table.patch(176, std::uint64_t{0}).patch(140, std::uint64_t{0});
    auto const fadt = parse_fadt(table).value();
    EXPECT_EQ(fadt.pm1a_control.address, 0x604U);
    EXPECT_EQ(fadt.dsdt, Maddr{0x7ffe0040});
}

TEST(AcpiFadt, BelievesTheResetRegisterOnlyIfTheFlagsDo) {
    auto table = q35();
    table.patch(112, std::uint32_t{0x84a5 & ~(1U << 10)});
    EXPECT_FALSE(parse_fadt(table).value().reset.present());
}

TEST(AcpiFadt, ReadsATableThatEndsAnywhereBehindItsFirstRevision) {
    auto const full = q35();
    for (std::size_t size = 0; size <= full.size(); ++size)
        EXPECT_EQ(parse_fadt(base::Bytes{full}.first(size)).ok(), size >= 116) << size;
}

} // namespace
