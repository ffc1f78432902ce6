#include "emulate/software_interrupt.hpp"

#include <gtest/gtest.h>

#include "unit/emulate/code.hpp"

namespace emulate {
namespace {

using test::code;

constexpr std::uint32_t error_code_of(std::uint32_t vector) { return vector * 8 + 2; }

TEST(SoftwareInterrupt, IsKnownByErrorCodeAndInstruction) {
    for (CodeMode const mode : {CodeMode::bits64, CodeMode::bits32}) {
        auto const found = software_interrupt(error_code_of(0x21), code({0xcd, 0x21}), mode);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->vector, 0x21);
        EXPECT_EQ(found->length, 2);
    }
    auto const prefixed = software_interrupt(error_code_of(0xff), code({0x66, 0xcd, 0xff}), CodeMode::bits64);
    ASSERT_TRUE(prefixed);
    EXPECT_EQ(prefixed->length, 3);
}

TEST(SoftwareInterrupt, IsNotAnyOtherProtectionFault) {
    auto const int_21 = code({0xcd, 0x21});
    EXPECT_FALSE(software_interrupt(0, int_21, CodeMode::bits64));
    EXPECT_FALSE(software_interrupt(0x21 * 8, int_21, CodeMode::bits64));     // a selector
    EXPECT_FALSE(software_interrupt(0x21 * 8 + 3, int_21, CodeMode::bits64)); // from outside the program
    EXPECT_FALSE(software_interrupt(error_code_of(0x22), int_21, CodeMode::bits64));
    EXPECT_FALSE(software_interrupt(error_code_of(0x121), int_21, CodeMode::bits64));
    EXPECT_FALSE(software_interrupt(error_code_of(0x21), code({0xcc}), CodeMode::bits64));
    EXPECT_FALSE(software_interrupt(error_code_of(0x21), code({0xcd}), CodeMode::bits64));
    EXPECT_FALSE(software_interrupt(error_code_of(0x21), code({0x0f, 0x31}), CodeMode::bits64));
    EXPECT_FALSE(software_interrupt(error_code_of(0x21), int_21, CodeMode::other));
}

TEST(SoftwareInterrupt, NeedsPrivilegeThreeFromUserMode) {
    for (std::uint8_t dpl = 0; dpl < 4; ++dpl) {
        EXPECT_EQ(may_use_gate(dpl, true), dpl >= 1);
        EXPECT_EQ(may_use_gate(dpl, false), dpl == 3);
    }
}

} // namespace
} // namespace emulate
