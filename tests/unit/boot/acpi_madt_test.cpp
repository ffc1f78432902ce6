#include "boot/acpi_madt.hpp"

#include <gtest/gtest.h>

#include "unit/boot/firmware.hpp"

namespace {

using base::Error;
using base::Maddr;
using boot::InterruptMode;
using boot::Madt;
using test::MadtBuilder;

Madt parse(MadtBuilder const& builder) {
    Madt madt;
    EXPECT_TRUE(parse_madt(builder.table(), madt));
    return madt;
}

TEST(AcpiMadt, ReadsAQ35) {
    Madt madt;
    ASSERT_TRUE(parse_madt(test::q35_madt(4), madt));
    EXPECT_EQ(madt.local_apic, Maddr{0xfee00000});
    EXPECT_TRUE(madt.legacy_pics);
    ASSERT_EQ(madt.cpus.size(), 4U);
    EXPECT_EQ(madt.cpus[3].apic_id, 3U);
    ASSERT_EQ(madt.io_apics.size(), 1U);
    EXPECT_EQ(madt.io_apics[0].address, Maddr{0xfec00000});
    ASSERT_EQ(madt.overrides.size(), 5U);
    EXPECT_EQ(madt.overrides[0].gsi, 2U);
    EXPECT_EQ(madt.overrides[0].mode, InterruptMode{});
    EXPECT_EQ(madt.overrides[2].irq, 9);
    EXPECT_EQ(madt.overrides[2].mode.polarity, InterruptMode::Polarity::high);
    EXPECT_EQ(madt.overrides[2].mode.trigger, InterruptMode::Trigger::level);
    ASSERT_EQ(madt.local_nmis.size(), 1U);
    EXPECT_EQ(madt.local_nmis[0].acpi_id, boot::MadtLocalNmi::kAllCpus);
    EXPECT_EQ(madt.dropped, 0U);
}

TEST(AcpiMadt, ReadsX2ApicsAndTheirNmis) {
    auto const madt = parse(MadtBuilder{}.x2apic(300, 0x1234).x2apic_nmi(300, 5, 0));
    ASSERT_EQ(madt.cpus.size(), 1U);
    EXPECT_EQ(madt.cpus[0].apic_id, 0x1234U);
    EXPECT_EQ(madt.cpus[0].acpi_id, 300U);
    ASSERT_EQ(madt.local_nmis.size(), 1U);
    EXPECT_EQ(madt.local_nmis[0].acpi_id, 300U);
    EXPECT_EQ(madt.local_nmis[0].lint, 0);
    EXPECT_EQ(madt.local_nmis[0].mode.trigger, InterruptMode::Trigger::edge);
}

TEST(AcpiMadt, CountsACpuOnceThatIsListedInBothForms) {
    auto const madt = parse(MadtBuilder{}.local_apic(0, 7).x2apic(0, 7));
    EXPECT_EQ(madt.cpus.size(), 1U);
    EXPECT_EQ(madt.dropped, 0U);
}

TEST(AcpiMadt, LeavesOutCpusThatAreNotEnabled) {
    auto const madt = parse(MadtBuilder{}.local_apic(0, 0).local_apic(1, 1, 0).local_apic(2, 0xff, 0).x2apic(3, 3, 2));
    EXPECT_EQ(madt.cpus.size(), 1U);
    EXPECT_EQ(madt.disabled_cpus, 3U);
    EXPECT_EQ(madt.dropped, 0U);
}

TEST(AcpiMadt, DropsCpusWithABroadcastAddress) {
    auto const madt = parse(MadtBuilder{}.local_apic(0, 0xff).x2apic(0, ~0U));
    EXPECT_TRUE(madt.cpus.empty());
    EXPECT_EQ(madt.dropped, 2U);
}

TEST(AcpiMadt, TakesTheAddressOfTheLocalApicFromItsOverride) {
    auto const madt = parse(MadtBuilder{}.local_apic_address(0x1'fee0'0000));
    EXPECT_EQ(madt.local_apic, Maddr{0x1'fee0'0000});
}

TEST(AcpiMadt, ReadsNmiSources) {
    auto const madt = parse(MadtBuilder{}.nmi(0xf, 21));
    ASSERT_EQ(madt.nmis.size(), 1U);
    EXPECT_EQ(madt.nmis[0].gsi, 21U);
    EXPECT_EQ(madt.nmis[0].mode.polarity, InterruptMode::Polarity::low);
}

TEST(AcpiMadt, DropsEntriesThatMakeNoSenseAndReadsOn) {
    auto const madt = parse(MadtBuilder{}
                                .io_apic(0, 0, 0)      // nowhere
                                .override(3, 3, 0, 1)  // not ISA
                                .override(16, 3, 0)    // no such line
                                .local_nmi(0xff, 0, 2) // no such pin
                                .x2apic_nmi(0, 0, 2)   // no such pin
                                .local_apic_address(0) // nowhere
                                .local_apic(0, 5));
    EXPECT_EQ(madt.dropped, 6U);
    EXPECT_EQ(madt.cpus.size(), 1U);
    EXPECT_TRUE(madt.io_apics.empty());
    EXPECT_EQ(madt.local_apic, Maddr{0xfee00000});
}

TEST(AcpiMadt, DropsEntriesShorterThanTheirKind) {
    MadtBuilder madt;
    for (unsigned const type : {0U, 1U, 2U, 3U, 4U, 5U, 9U, 10U})
        madt.body.u8(type).u8(4).u16(0);
    EXPECT_EQ(parse(madt).dropped, 8U);
}

TEST(AcpiMadt, PassesOverKindsItDoesNotKnow) {
    MadtBuilder madt;
    madt.body.u8(0x7f).u8(6).u32(0);
    EXPECT_EQ(parse(madt.local_apic(0, 1)).cpus.size(), 1U);
}

TEST(AcpiMadt, RefusesEntriesThatDoNotFollowEachOther) {
    for (unsigned const length : {0U, 1U, 9U, 255U}) {
        MadtBuilder builder;
        builder.body.u8(0).u8(length).u32(0).u16(0);
        Madt madt;
        EXPECT_EQ(parse_madt(builder.table(), madt).error(), Error::invalid) << length;
    }
    MadtBuilder half;
    half.body.u8(0); // a type without a length
    Madt madt;
    EXPECT_EQ(parse_madt(half.table(), madt).error(), Error::invalid);
}

TEST(AcpiMadt, RefusesATableWithoutItsFixedPart) {
    Madt madt;
    EXPECT_EQ(parse_madt(test::acpi_table("APIC", test::ByteBuilder{}.u32(0)), madt).error(), Error::invalid);
}

TEST(AcpiMadt, HoldsAsManyCpusAsTheDataStructuresAndDropsTheRest) {
    MadtBuilder builder;
    for (std::uint32_t cpu = 0; cpu < base::kMaxCpus + 3; ++cpu)
        builder.x2apic(cpu, cpu);
    auto const madt = parse(builder);
    EXPECT_EQ(madt.cpus.size(), base::kMaxCpus);
    EXPECT_EQ(madt.dropped, 3U);
}

TEST(AcpiMadt, ForgetsWhatWasInTheResultBefore) {
    Madt madt;
    ASSERT_TRUE(parse_madt(test::q35_madt(4), madt));
    ASSERT_TRUE(parse_madt(test::q35_madt(1), madt));
    EXPECT_EQ(madt.cpus.size(), 1U);
}

} // namespace
