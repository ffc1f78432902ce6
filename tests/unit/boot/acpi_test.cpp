#include "boot/acpi.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/boot/firmware.hpp"

namespace {

using base::Error;
using base::Maddr;
using boot::Acpi;
using boot::PhysicalMemory;
using boot::read_acpi;
using test::Firmware;

class AcpiRead : public testing::Test {
  protected:
    base::Status read(Firmware const& firmware, base::Bytes pointer) {
        return read_acpi(PhysicalMemory{firmware.memory}, pointer, acpi);
    }
    /// The reasons given, as "NAME reason".
    [[nodiscard]] std::vector<std::string> complaints() const {
        std::vector<std::string> all;
        for (auto const& one : acpi.complaints)
            all.push_back(std::string(one.table.begin(), one.table.end()) + " " + std::string(one.reason));
        return all;
    }

    Acpi acpi;
};

TEST_F(AcpiRead, FindsEverythingOnAQ35) {
    auto const firmware = Firmware::q35(2);
    for (auto const& pointer : {Firmware::old_pointer(), Firmware::pointer()}) {
        ASSERT_TRUE(read(firmware, pointer));
        EXPECT_EQ(acpi.madt.cpus.size(), 2U);
        ASSERT_TRUE(acpi.fadt && acpi.hpet && acpi.mcfg);
        EXPECT_EQ(acpi.fadt->pm1a_control.address, 0x604U);
        EXPECT_EQ(acpi.hpet->address, Maddr{0xfed00000});
        EXPECT_EQ(acpi.mcfg->windows.size(), 1U);
        EXPECT_TRUE(acpi.complaints.empty());
    }
}

TEST_F(AcpiRead, SearchesTheBiosAreaIfTheLoaderGaveNoPointer) {
    auto firmware = Firmware::q35();
    firmware.memory.put(Firmware::kBiosArea,
                        test::ByteBuilder{}.pad_to(0x800).append(Firmware::pointer()).pad_to(0x20000));
    ASSERT_TRUE(read(firmware, {}));
    EXPECT_EQ(acpi.rsdp.xsdt, Firmware::kXsdt);
    EXPECT_TRUE(acpi.complaints.empty());
}

TEST_F(AcpiRead, SearchesTheBiosAreaIfTheLoadersPointerIsBroken) {
    auto firmware = Firmware::q35();
    firmware.memory.put(Firmware::kBiosArea, test::ByteBuilder{}.append(Firmware::pointer()).pad_to(0x20000));
    auto broken = Firmware::pointer();
    broken.patch(16, std::uint32_t{1});
    ASSERT_TRUE(read(firmware, broken));
    EXPECT_THAT(complaints(), testing::ElementsAre(testing::HasSubstr("RSDP")));
}

TEST_F(AcpiRead, SaysSoIfThereIsNoPointerAtAll) { EXPECT_EQ(read(Firmware::q35(), {}).error(), Error::not_found); }

TEST_F(AcpiRead, FallsBackToTheRsdtIfTheXsdtIsBroken) {
    auto firmware = Firmware::q35();
    auto xsdt = test::acpi_table("XSDT", {});
    firmware.memory.put(Firmware::kXsdt, xsdt.patch(9, std::uint8_t{0xaa}));
    ASSERT_TRUE(read(firmware, Firmware::pointer()));
    EXPECT_EQ(acpi.madt.cpus.size(), 4U);
    EXPECT_THAT(complaints(), testing::ElementsAre("XSDT has a wrong checksum"));
}

TEST_F(AcpiRead, RefusesARootTableThatIsSomethingElse) {
    auto firmware = Firmware::q35();
    firmware.memory.put(Firmware::kRsdt, test::acpi_table("SSDT", {}));
    EXPECT_EQ(read(firmware, Firmware::old_pointer()).error(), Error::invalid);
    firmware.memory.put(Firmware::kXsdt, test::acpi_table("SSDT", {}));
    EXPECT_EQ(read(firmware, Firmware::pointer()).error(), Error::invalid);
}

TEST_F(AcpiRead, LeavesOutTablesThatAreBrokenAndSaysWhy) {
    Firmware firmware;
    firmware.add(test::q35_madt());
    firmware.add(test::ByteBuilder{}.append(test::q35_fadt()).patch(100, std::uint8_t{0x77}));
    firmware.add(test::acpi_table("HPET", {}));
    firmware.add(test::acpi_table("MCFG", {}));
    firmware.list(Maddr{0x1000}); // nothing there
    firmware.list(Maddr{~std::uint64_t{0} - 3});
    firmware.seal();
    ASSERT_TRUE(read(firmware, Firmware::pointer()));
    EXPECT_FALSE(acpi.fadt || acpi.hpet || acpi.mcfg);
    EXPECT_THAT(complaints(),
                testing::ElementsAre("FACP has a wrong checksum", "HPET makes no sense", "MCFG makes no sense"));
}

TEST_F(AcpiRead, LeavesOutTablesWithImpossibleLengths) {
    for (std::uint32_t const length : {0U, 35U, (1U << 20) + 1, 0xffffffffU}) {
        Firmware firmware;
        firmware.add(test::q35_madt());
        firmware.add(test::q35_hpet().patch(4, length));
        firmware.seal();
        ASSERT_TRUE(read(firmware, Firmware::pointer()));
        EXPECT_FALSE(acpi.hpet) << length;
        EXPECT_EQ(acpi.complaints.size(), 1U) << length;
    }
}

TEST_F(AcpiRead, LeavesOutATableWhoseEndIsNotMemory) {
    Firmware firmware;
    firmware.add(test::q35_madt());
    firmware.add(test::q35_hpet().patch(4, std::uint32_t{4096}));
    firmware.seal();
    ASSERT_TRUE(read(firmware, Firmware::pointer()));
    EXPECT_THAT(complaints(), testing::ElementsAre("HPET lies where there is no memory"));
}

TEST_F(AcpiRead, NeedsAMadt) {
    Firmware firmware;
    firmware.add(test::q35_fadt());
    firmware.seal();
    EXPECT_EQ(read(firmware, Firmware::pointer()).error(), Error::not_found);
}

TEST_F(AcpiRead, RefusesAMadtThatMakesNoSense) {
    Firmware firmware;
    firmware.add(test::acpi_table("APIC", test::ByteBuilder{}.u64(0).u16(0)));
    firmware.seal();
    EXPECT_EQ(read(firmware, Firmware::pointer()).error(), Error::invalid);
}

TEST_F(AcpiRead, TakesTheFirstOfTwoTablesOfAKind) {
    Firmware firmware;
    firmware.add(test::q35_madt(2));
    firmware.add(test::q35_madt(3));
    firmware.seal();
    ASSERT_TRUE(read(firmware, Firmware::pointer()));
    EXPECT_EQ(acpi.madt.cpus.size(), 2U);
}

TEST_F(AcpiRead, ReadsARootTableThatListsItself) {
    Firmware firmware;
    firmware.add(test::q35_madt());
    firmware.list(Firmware::kXsdt);
    firmware.seal();
    EXPECT_TRUE(read(firmware, Firmware::pointer()));
}

TEST_F(AcpiRead, IgnoresAPieceOfAnEntryAtTheEndOfTheRootTable) {
    Firmware firmware;
    auto const madt = firmware.add(test::q35_madt());
    firmware.memory.put(Firmware::kXsdt, test::acpi_table("XSDT", test::ByteBuilder{}.u64(madt.raw()).u32(7)));
    ASSERT_TRUE(read(firmware, Firmware::pointer()));
    EXPECT_EQ(acpi.madt.cpus.size(), 4U);
    EXPECT_TRUE(acpi.complaints.empty());
}

} // namespace
