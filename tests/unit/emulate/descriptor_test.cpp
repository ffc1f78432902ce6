#include "emulate/descriptor.hpp"

#include <gtest/gtest.h>

namespace emulate {
namespace {

// Linux's own (arch/x86/kernel/cpu/common.c), as it hands them in with DPL 0.
constexpr std::uint64_t kKernelCode = 0x00af'9b00'0000'ffff;
constexpr std::uint64_t kKernelData = 0x00cf'9300'0000'ffff;
constexpr std::uint64_t kUserCode32 = 0x00cf'fb00'0000'ffff;
constexpr std::uint64_t kTypeShift = 40;

constexpr std::uint64_t with_type(unsigned type_and_access) {
    return 0x0000'0000'0000'ffff | std::uint64_t{type_and_access} << kTypeShift;
}

TEST(Descriptor, BecomesRing3AndAccessed) {
    EXPECT_EQ(checked_descriptor(kKernelCode).value(), 0x00af'fb00'0000'ffffU);
    EXPECT_EQ(checked_descriptor(kKernelData).value(), 0x00cf'f300'0000'ffffU);
    EXPECT_EQ(checked_descriptor(0x00cf'9200'0000'ffff).value(), 0x00cf'f300'0000'ffffU); // not yet accessed
    EXPECT_EQ(checked_descriptor(kUserCode32).value(), kUserCode32);
}

TEST(Descriptor, MayBeNullOrAbsent) {
    EXPECT_EQ(checked_descriptor(0).value(), 0U);
    EXPECT_EQ(checked_descriptor(with_type(0x02)).value(), with_type(0x02)); // LDT, not present
    EXPECT_EQ(checked_descriptor(with_type(0x1e)).value(), with_type(0x1e)); // conforming code, not present
}

TEST(Descriptor, IsCodeOrDataAndNothingElse) {
    for (unsigned type = 0; type < 16; ++type) { // every present system descriptor and gate, at each DPL
        for (unsigned dpl = 0; dpl < 4; ++dpl) {
            auto const refused = checked_descriptor(with_type(0x80 | dpl << 5 | type));
            ASSERT_FALSE(refused.ok()) << type;
            EXPECT_EQ(refused.error(), base::Error::invalid);
        }
    }
    for (unsigned type = 0; type < 16; ++type) {
        bool const conforming_code = type >= 12;
        EXPECT_EQ(checked_descriptor(with_type(0x90 | type)).ok(), !conforming_code) << type;
    }
}

TEST(Selector, IsForcedToRing3) {
    EXPECT_EQ(ring3_selector(0x10), 0x13);
    EXPECT_EQ(ring3_selector(0x33), 0x33);
    EXPECT_EQ(ring3_selector(0x0c), 0x0f);     // in the LDT
    EXPECT_EQ(ring3_selector(0xfffc), 0xffff); // in the LDT, too high to be loaded
}

TEST(Selector, StaysNull) {
    EXPECT_EQ(ring3_selector(0), 0);
    EXPECT_EQ(ring3_selector(3), 0);
}

TEST(Selector, ReachesOnlyTheOfferedOnesOfTheHypervisor) {
    for (unsigned selector = FIRST_RESERVED_GDT_BYTE; selector <= 0xffff; selector += 8) {
        bool const offered = selector == 0xe020 || selector == 0xe028 || selector == 0xe030;
        EXPECT_EQ(ring3_selector(static_cast<std::uint16_t>(selector)), offered ? selector | 3 : 0U);
    }
    EXPECT_EQ(ring3_selector(0xdff8), 0xdffb); // the last of the guest's
}

TEST(CodeMode, IsTheSegments) {
    EXPECT_EQ(code_mode(kKernelCode), CodeMode::bits64);
    EXPECT_EQ(code_mode(kUserCode32), CodeMode::bits32);
    EXPECT_EQ(code_mode(with_type(0xfb)), CodeMode::other); // 16 bits
    EXPECT_EQ(code_mode(kKernelData), CodeMode::other);
    EXPECT_EQ(code_mode(with_type(0x7b) | std::uint64_t{1} << 53), CodeMode::other); // not present
    EXPECT_EQ(code_mode(0), CodeMode::other);
}

} // namespace
} // namespace emulate
