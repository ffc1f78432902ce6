#include "emulate/gpr.hpp"

#include <gtest/gtest.h>

namespace emulate {
namespace {

TEST(Gpr, IsFoundByItsNumber) {
    arch::Registers registers{};
    full_register(registers, kRax) = 10;
    full_register(registers, kRsp) = 14;
    full_register(registers, kRdi) = 17;
    full_register(registers, 8) = 18;
    full_register(registers, 15) = 25;
    EXPECT_EQ(registers.rax, 10U);
    EXPECT_EQ(registers.rsp, 14U);
    EXPECT_EQ(registers.rdi, 17U);
    EXPECT_EQ(registers.r8, 18U);
    EXPECT_EQ(registers.r15, 25U);
}

TEST(Gpr, IsReadInPart) {
    arch::Registers registers{};
    registers.rbx = 0x1122'3344'5566'7788;
    EXPECT_EQ(read_gpr(registers, {kRbx}, 8), 0x1122'3344'5566'7788U);
    EXPECT_EQ(read_gpr(registers, {kRbx}, 4), 0x5566'7788U);
    EXPECT_EQ(read_gpr(registers, {kRbx}, 2), 0x7788U);
    EXPECT_EQ(read_gpr(registers, {kRbx}, 1), 0x88U);
    EXPECT_EQ(read_gpr(registers, {kRbx, true}, 1), 0x77U);
}

TEST(Gpr, IsWrittenAsTheCpuDoes) {
    arch::Registers registers{};
    auto const after = [&](Gpr gpr, unsigned bytes) {
        registers.rbx = 0x1122'3344'5566'7788;
        write_gpr(registers, gpr, bytes, 0xaaaa'aaaa'aaaa'aaaa);
        return registers.rbx;
    };
    EXPECT_EQ(after({kRbx}, 8), 0xaaaa'aaaa'aaaa'aaaaU);
    EXPECT_EQ(after({kRbx}, 4), 0xaaaa'aaaaU);
    EXPECT_EQ(after({kRbx}, 2), 0x1122'3344'5566'aaaaU);
    EXPECT_EQ(after({kRbx}, 1), 0x1122'3344'5566'77aaU);
    EXPECT_EQ(after({kRbx, true}, 1), 0x1122'3344'5566'aa88U);
}

} // namespace
} // namespace emulate
