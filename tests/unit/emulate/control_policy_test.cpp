#include "emulate/control_policy.hpp"

#include <gtest/gtest.h>

namespace emulate {
namespace {

using base::Error;

TEST(ControlRegisters, ShowCr0WithTheGuestsTaskSwitched) {
    EXPECT_EQ(visible_cr0(false), 0x8005'0033U);
    EXPECT_EQ(visible_cr0(true), 0x8005'003bU);
}

TEST(ControlRegisters, Cr0ChangesInTaskSwitchedOnly) {
    EXPECT_TRUE(written_cr0(visible_cr0(true)).value());
    EXPECT_FALSE(written_cr0(visible_cr0(false)).value());
    for (unsigned bit = 0; bit < 64; ++bit) {
        std::uint64_t const changed = visible_cr0(false) ^ std::uint64_t{1} << bit;
        EXPECT_EQ(written_cr0(changed).ok(), bit == 3) << bit;
    }
}

TEST(ControlRegisters, Cr4NeverRefusesAndTakesOnlyTheGuestsOwn) {
    EXPECT_EQ(written_cr4(~std::uint64_t{0}, true, true), kGuestCr4);
    EXPECT_EQ(written_cr4(~std::uint64_t{0}, false, true), kGuestCr4 & ~kCr4FsGsBase);
    EXPECT_EQ(written_cr4(~std::uint64_t{0}, true, false), kGuestCr4 & ~kCr4OsXsave);
    EXPECT_EQ(written_cr4(0, true, true), 0U);
}

TEST(ControlRegisters, Cr4ReadsBackWithWhatEveryGuestHas) {
    EXPECT_EQ(visible_cr4(0), 0x660U);
    EXPECT_EQ(visible_cr4(kGuestCr4), 0x660U | kGuestCr4);
    EXPECT_EQ(visible_cr4(~std::uint64_t{0}), 0x660U | kGuestCr4); // and nothing of the hypervisor's
}

TEST(ControlRegisters, Xcr0FollowsTheManual) {
    constexpr std::uint64_t kOffered = 0xe7;
    for (std::uint64_t const good : {0x1U, 0x3U, 0x7U, 0xe7U})
        EXPECT_TRUE(valid_xcr0(good, kOffered)) << good;
    for (std::uint64_t const bad : {0x0U, 0x2U, 0x6U, 0x5U, 0x27U, 0x67U, 0xe3U, 0xe1U})
        EXPECT_FALSE(valid_xcr0(bad, kOffered)) << bad;
    EXPECT_FALSE(valid_xcr0(0xe7, 0x7));       // not offered
    EXPECT_FALSE(valid_xcr0(0x207, kOffered)); // protection keys
    EXPECT_FALSE(valid_xcr0(std::uint64_t{1} << 63 | 1, ~std::uint64_t{0} >> 1));
    EXPECT_TRUE(valid_xcr0(0x1f, 0x1f));
    EXPECT_FALSE(valid_xcr0(0x0f, 0x1f));
    EXPECT_TRUE(valid_xcr0(0x60007, 0x60007));
    EXPECT_FALSE(valid_xcr0(0x20007, 0x60007));
}

TEST(DebugRegisters, WatchOnlyTheGuestsAddresses) {
    for (unsigned number = 0; number < 4; ++number) {
        EXPECT_EQ(written_debug(number, 0x1234).value(), 0x1234U);
        EXPECT_EQ(written_debug(number, 0xffff'8800'0000'0000).value(), 0xffff'8800'0000'0000U);
        EXPECT_EQ(written_debug(number, 0xffff'8000'0000'0000).error(), Error::not_permitted);
        EXPECT_EQ(written_debug(number, 0xffff'87ff'ffff'ffff).error(), Error::not_permitted);
        EXPECT_EQ(written_debug(number, 0x8000'0000'0000).error(), Error::not_permitted);
    }
}

TEST(DebugRegisters, Dr6KeepsItsFixedBits) {
    EXPECT_EQ(written_debug(6, 0).value(), 0xffff'0ff0U);
    EXPECT_EQ(written_debug(6, 0xffff'ffff).value(), 0xffff'efffU);
    EXPECT_EQ(written_debug(6, 0x4001).value(), 0xffff'4ff1U);
    EXPECT_EQ(written_debug(6, std::uint64_t{1} << 32).error(), Error::invalid);
}

TEST(DebugRegisters, Dr7EnablesBreakpointsButNeverGuardsNorWatchesPorts) {
    EXPECT_EQ(written_debug(7, 0).value(), 0x400U);
    EXPECT_EQ(written_debug(7, 0x000d'0001).value(), 0x000d'0401U);      // writes of four bytes, breakpoint 0
    EXPECT_EQ(written_debug(7, 1U << 13).error(), Error::not_permitted); // GD
    EXPECT_EQ(written_debug(7, 0x0002'0001).error(), Error::not_permitted);
    EXPECT_EQ(written_debug(7, 0x2000'0080).error(), Error::not_permitted);
    EXPECT_TRUE(written_debug(7, 0x0002'0000).ok()); // not enabled
    EXPECT_EQ(written_debug(7, std::uint64_t{1} << 32).error(), Error::invalid);
}

TEST(DebugRegisters, ThereAreNoOthers) {
    for (unsigned const number : {4U, 5U, 8U, 15U})
        EXPECT_EQ(written_debug(number, 0).error(), Error::invalid);
}

} // namespace
} // namespace emulate
