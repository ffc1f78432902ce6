#include "boot/acpi_rsdp.hpp"

#include <gtest/gtest.h>

#include "unit/boot/firmware.hpp"

namespace {

using base::Error;
using base::Maddr;
using boot::parse_rsdp;
using boot::PhysicalMemory;
using boot::scan_for_rsdp;

TEST(AcpiRsdp, ReadsBothRevisions) {
    auto const old = parse_rsdp(test::rsdp(0x1000));
    ASSERT_TRUE(old);
    EXPECT_EQ(old.value().rsdt, Maddr{0x1000});
    EXPECT_FALSE(old.value().has_xsdt());

    auto const modern = parse_rsdp(test::rsdp(0x1000, 0x1'0000'2000));
    ASSERT_TRUE(modern);
    EXPECT_EQ(modern.value().revision, 2);
    EXPECT_EQ(modern.value().xsdt, Maddr{0x1'0000'2000});
}

TEST(AcpiRsdp, RefusesAWrongChecksumInEitherPart) {
    for (std::size_t const at : {16UL, 25UL}) {
        auto pointer = test::rsdp(0x1000, 0x2000);
        pointer.patch(at, std::uint8_t{0x5a});
        EXPECT_EQ(parse_rsdp(pointer).error(), Error::invalid) << "byte " << at;
    }
}

TEST(AcpiRsdp, RefusesAnythingThatIsCutOff) {
    auto const pointer = test::rsdp(0x1000, 0x2000);
    for (std::size_t size = 0; size < pointer.size(); ++size)
        EXPECT_FALSE(parse_rsdp(base::Bytes{pointer}.first(size))) << size;
}

TEST(AcpiRsdp, RefusesALengthThatIsTooSmallOrReachesPastTheBytes) {
    for (std::uint32_t const length : {0U, 20U, 35U, 37U, 0xffffffffU}) {
        auto pointer = test::rsdp(0x1000, 0x2000);
        pointer.patch(20, length).fix_checksum(32, 36);
        EXPECT_FALSE(parse_rsdp(pointer)) << length;
    }
}

TEST(AcpiRsdp, RefusesAWrongSignature) {
    auto pointer = test::rsdp(0x1000);
    pointer.patch(0, 'X').fix_checksum(8, 20);
    EXPECT_FALSE(parse_rsdp(pointer));
}

class AcpiScan : public testing::Test {
  protected:
    void place_in_bios(std::size_t offset) {
        test::ByteBuilder area;
        area.pad_to(offset).append(test::rsdp(0x1000)).pad_to(0x20000);
        memory.put(Maddr{0xe0000}, area);
    }
    void place_in_ebda(std::size_t offset, std::uint16_t segment = 0x9fc0) {
        memory.put(Maddr{0x400}, test::ByteBuilder{}.pad_to(0xe).u16(segment).pad_to(0x100));
        test::ByteBuilder area;
        area.pad_to(offset).append(test::rsdp(0x3000)).pad_to(1024);
        memory.put(Maddr{std::uint64_t{segment} << 4}, area);
    }
    auto scan() { return scan_for_rsdp(PhysicalMemory{memory}); }

    test::FakeMemory memory;
};

TEST_F(AcpiScan, FindsThePointerAtAnySixteenByteBoundary) {
    for (std::size_t const offset : {0UL, 0x15a80UL, 0x1ffe0UL}) {
        place_in_bios(offset);
        auto const found = scan();
        ASSERT_TRUE(found) << offset;
        EXPECT_EQ(found.value().rsdt, Maddr{0x1000});
    }
}

TEST_F(AcpiScan, LooksNowhereElse) {
    place_in_bios(0x108);
    EXPECT_EQ(scan().error(), Error::not_found);
}

TEST_F(AcpiScan, PrefersTheExtendedBiosDataArea) {
    place_in_bios(0);
    place_in_ebda(0x40);
    EXPECT_EQ(scan().value().rsdt, Maddr{0x3000});
}

TEST_F(AcpiScan, IgnoresASegmentThatCannotBe) {
    place_in_ebda(0x40, 0xa000); // video memory
    EXPECT_EQ(scan().error(), Error::not_found);
}

TEST_F(AcpiScan, FindsNothingWhereNothingCanBeRead) { EXPECT_EQ(scan().error(), Error::not_found); }

} // namespace
