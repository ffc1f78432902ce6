#include "emulate/privileged.hpp"

#include <gtest/gtest.h>

#include "unit/emulate/code.hpp"
#include "unit/emulate/environment.hpp"

namespace emulate {
namespace {

using test::code;
using test::Code;
using test::FakeEnvironment;
using Kind = Outcome::Kind;

/// A guest that has faulted on an instruction.
struct Privileged : testing::Test {
    FakeEnvironment env;
    arch::Registers registers = test::numbered_registers();
    arch::Registers before{};

    Outcome run(Code const& bytes, std::uint32_t vector = kGeneralProtection, CodeMode mode = CodeMode::bits64) {
        registers.vector = vector;
        registers.rflags |= kResume; // as the CPU pushes it for a fault
        before = registers;
        return emulate_privileged(env, registers, bytes, mode);
    }
    void expect_done(Code const& bytes) {
        EXPECT_EQ(run(bytes).kind, Kind::done);
        EXPECT_EQ(registers.rip, before.rip + bytes.size());
        EXPECT_EQ(registers.rflags & kResume, 0U);
    }
    void expect_bounced(Code const& bytes) {
        EXPECT_EQ(run(bytes).kind, Kind::not_handled);
        EXPECT_EQ(registers.rip, before.rip);
        EXPECT_EQ(registers.rflags, before.rflags);
        EXPECT_EQ(registers.rax, before.rax);
        EXPECT_EQ(registers.rdx, before.rdx);
    }
};

Code const kRdmsr = code({0x0f, 0x32});
Code const kWrmsr = code({0x0f, 0x30});
Code const kForcedCpuid = code({0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2});
Code const kCpuid = code({0x0f, 0xa2});
Code const kHlt = code({0xf4});
Code const kCli = code({0xfa});
Code const kSti = code({0xfb});
Code const kInAlDx = code({0xec});
Code const kInEaxDx = code({0xed});
Code const kOutDxAx = code({0x66, 0xef});
Code const kRepInsl = code({0xf3, 0x6d});
Code const kRepOutsw = code({0xf3, 0x66, 0x6f});

TEST_F(Privileged, ReadsAnMsrIntoBothHalves) {
    env.msrs[0x277] = 0x0007'0406'0007'0406;
    registers.rcx = 0xdead'0000'0277; // the upper half does not count
    expect_done(kRdmsr);
    EXPECT_EQ(registers.rax, 0x0007'0406U);
    EXPECT_EQ(registers.rdx, 0x0007'0406U);
}

TEST_F(Privileged, WritesTheGsBaseThatLinuxStartsWith) {
    env.msrs[0xc0000101] = 0;
    registers.rcx = 0xc0000101;
    registers.rax = 0xffff'ffff'83a0'0000;
    registers.rdx = 0xffff'ffff;
    expect_done(kWrmsr);
    EXPECT_EQ(env.msrs[0xc0000101], 0xffff'ffff'83a0'0000U);
}

TEST_F(Privileged, BouncesAnUnknownMsr) {
    registers.rcx = 0x1234;
    expect_bounced(kRdmsr);
    expect_bounced(kWrmsr);
}

TEST_F(Privileged, ReadsAndWritesControlRegisters) {
    expect_done(code({0x0f, 0x20, 0xe3})); // movq %cr4,%rbx
    EXPECT_EQ(registers.rbx, 0x660U);
    registers.r9 = 0x10660;
    expect_done(code({0x41, 0x0f, 0x22, 0xe1})); // movq %r9,%cr4
    EXPECT_EQ(env.controls[4], 0x10660U);
    expect_bounced(code({0x0f, 0x20, 0xc8})); // movq %cr1,%rax
    expect_bounced(code({0x0f, 0x22, 0xd8})); // movq %rax,%cr3
}

TEST_F(Privileged, ClearsTaskSwitched) {
    env.controls[0] |= kCr0TaskSwitched;
    expect_done(code({0x0f, 0x06})); // clts
    EXPECT_EQ(env.controls[0], 0x8005'0033U);
}

TEST_F(Privileged, ReadsAndWritesDebugRegisters) {
    expect_done(code({0x0f, 0x21, 0xf8})); // movq %db7,%rax
    EXPECT_EQ(registers.rax, 0x400U);
    registers.rax = 0x401;
    expect_done(code({0x0f, 0x23, 0xf8}));
    EXPECT_EQ(env.debugs[7], 0x401U);
    expect_bounced(code({0x0f, 0x21, 0xc0})); // %db0 is not there
    expect_bounced(code({0x0f, 0x23, 0xc0}));
}

TEST_F(Privileged, SetsXcr0) {
    registers.rcx = 0;
    registers.rax = 7;
    registers.rdx = 0;
    expect_done(code({0x0f, 0x01, 0xd1}));
    EXPECT_EQ(env.xcr0, 7U);
}

TEST_F(Privileged, BouncesABadXsetbv) {
    registers.rcx = 1; // no such register
    registers.rax = 7;
    registers.rdx = 0;
    expect_bounced(code({0x0f, 0x01, 0xd1}));
    registers.rcx = 0;
    registers.rax = 6; // without x87
    expect_bounced(code({0x0f, 0x01, 0xd1}));
    EXPECT_FALSE(env.xcr0);
}

TEST_F(Privileged, ReadsTheTsc) {
    expect_done(code({0x0f, 0x31}));
    EXPECT_EQ(registers.rax, 0x2345'6789U);
    EXPECT_EQ(registers.rdx, 1U);
    expect_done(code({0x0f, 0x01, 0xf9}));
    EXPECT_EQ(registers.rcx, 0x77U);
}

TEST_F(Privileged, WritesBackCaches) {
    expect_done(code({0x0f, 0x09}));
    expect_done(code({0xf3, 0x0f, 0x09}));
    EXPECT_EQ(env.cache_writebacks, 2U);
}

TEST_F(Privileged, BlocksAtHlt) {
    EXPECT_EQ(run(kHlt).kind, Kind::block);
    EXPECT_EQ(registers.rip, test::kRip + 1);
}

TEST_F(Privileged, BouncesWhatNobodyEmulates) {
    expect_bounced(code({0x0f, 0x01, 0x3f})); // invlpg (%rdi)
    expect_bounced(code({0x0f, 0x01, 0x17})); // lgdt (%rdi)
    expect_bounced(code({0x0f, 0x33}));       // rdpmc
    expect_bounced(code({0x48, 0x89, 0x37})); // a store that faulted otherwise
    expect_bounced({});
}

TEST_F(Privileged, IsForKernelModeOnly) {
    env.kernel = false;
    env.msrs[0x277] = 0;
    registers.rcx = 0x277;
    for (Code const& bytes : {kRdmsr, kWrmsr, kHlt, code({0x0f, 0x20, 0xc0}), code({0x0f, 0x22, 0xc0}),
                              code({0x0f, 0x21, 0xf8}), code({0x0f, 0x23, 0xf8}), code({0x0f, 0x06}),
                              code({0x0f, 0x01, 0xd1}), code({0x0f, 0x09}), code({0x0f, 0x31})})
        expect_bounced(bytes);
    EXPECT_EQ(env.cache_writebacks, 0U);
}

TEST_F(Privileged, LeavesFaultsWithAnErrorCodeAlone) {
    env.msrs[0x10] = 0;
    registers.rcx = 0x10;
    registers.error_code = 0x402;
    expect_bounced(kRdmsr);
}

TEST_F(Privileged, OwesASingleSteppedGuestADebugException) {
    env.msrs[0x10] = 0;
    registers.rcx = 0x10;
    registers.rflags |= kTrap;
    EXPECT_EQ(run(kRdmsr).kind, Kind::single_step);
    EXPECT_EQ(registers.rip, test::kRip + 2);
    EXPECT_EQ(run(kHlt).kind, Kind::single_step);
}

// --- CPUID ---------------------------------------------------------------------------------------------------------

TEST_F(Privileged, ForcedCpuidComesByInvalidOpcodeAlsoFromUserMode) {
    for (bool const kernel : {true, false}) {
        env.kernel = kernel;
        registers.rax = 0x4000'0000;
        registers.rcx = 5;
        std::uint64_t const rip = registers.rip;
        EXPECT_EQ(run(kForcedCpuid, kInvalidOpcode).kind, Kind::done);
        EXPECT_EQ(registers.rip, rip + 7);
        EXPECT_EQ(registers.rax, 0x4000'0001U);
        EXPECT_EQ(registers.rbx, 7U);
        EXPECT_EQ(registers.rcx, 3U);
        EXPECT_EQ(registers.rdx, 4U);
        EXPECT_EQ(env.views.back(), CpuidView::forced);
    }
    EXPECT_EQ(run(kForcedCpuid, kInvalidOpcode, CodeMode::bits32).kind, Kind::done);
}

TEST_F(Privileged, OtherInvalidOpcodesAreTheGuests) {
    EXPECT_EQ(run(code({0x0f, 0x0b}), kInvalidOpcode).kind, Kind::not_handled); // BUG()
    EXPECT_EQ(run(kCpuid, kInvalidOpcode).kind, Kind::not_handled);
    EXPECT_EQ(run(kForcedCpuid, kGeneralProtection).kind, Kind::not_handled);
    EXPECT_TRUE(env.views.empty());
}

TEST_F(Privileged, PlainCpuidThatFaultsGetsTheNativeView) {
    env.kernel = false;
    expect_done(kCpuid);
    EXPECT_EQ(env.views.back(), CpuidView::native);
}

// --- interrupts and ports --------------------------------------------------------------------------------------------

TEST_F(Privileged, IgnoresCliAndStiWhereIoplAllows) {
    expect_done(kCli);
    expect_done(kSti);
    EXPECT_EQ(registers.rflags & 0x200, 0x200U);
    env.virtual_iopl = 0;
    expect_bounced(kCli);
    expect_bounced(kSti);
    env.kernel = false;
    env.virtual_iopl = 2;
    expect_bounced(kCli);
    env.virtual_iopl = 3;
    expect_done(kCli);
}

TEST_F(Privileged, ReadsPorts) {
    registers.rax = 0x1111'2222'3333'4444;
    expect_done(kInAlDx);
    EXPECT_EQ(registers.rax, 0x1111'2222'3333'4400U);
    expect_done(kInEaxDx);
    EXPECT_EQ(registers.rax, 0xa0b0'c001U);
    expect_done(code({0xe4, 0x60})); // inb $0x60,%al
    EXPECT_EQ(registers.rax, 0xa0b0'c002U);
}

TEST_F(Privileged, WritesPorts) {
    registers.rax = 0x1111'2222'3333'4444;
    registers.rdx = 0xf'0cf8;
    expect_done(code({0xef})); // outl %eax,%dx
    expect_done(kOutDxAx);
    expect_done(code({0xe6, 0x80})); // outb %al,$0x80
    EXPECT_EQ(env.written,
              (std::vector<FakeEnvironment::PortWrite>{{0xcf8, 4, 0x3333'4444}, {0xcf8, 2, 0x4444}, {0x80, 1, 0x44}}));
}

TEST_F(Privileged, AsksTheBitmapWhereIoplDoesNotAllow) {
    env.kernel = false;
    registers.rdx = 0x60;
    expect_bounced(kInAlDx);
    expect_bounced(kOutDxAx);
    env.bitmap_ports = {0x60};
    expect_done(kInAlDx);
    registers.rdx = 0x60;
    expect_bounced(kInEaxDx); // 0x61 .. 0x63 are not allowed
    EXPECT_EQ(env.port_reads, 1U);
    EXPECT_TRUE(env.written.empty());
}

TEST_F(Privileged, PortsWorkInCompatibilityMode) {
    env.kernel = false;
    env.virtual_iopl = 3;
    EXPECT_EQ(run(kInAlDx, kGeneralProtection, CodeMode::bits32).kind, Kind::done);
}

// --- strings -----------------------------------------------------------------------------------------------------

std::uint32_t word_at(FakeEnvironment const& env, std::size_t offset) {
    return base::load<std::uint32_t>(env.memory, offset).value();
}

TEST_F(Privileged, InsStoresAtRdi) {
    registers.rdx = 0x1f0;
    expect_done(code({0x6d})); // insl
    EXPECT_EQ(word_at(env, 0), 0xa0b0'c000U);
    EXPECT_EQ(registers.rdi, 0x80004U);
    registers.rflags |= kDirection;
    expect_done(code({0x6c})); // insb
    EXPECT_EQ(word_at(env, 4), 0x01U);
    EXPECT_EQ(registers.rdi, 0x80003U);
}

TEST_F(Privileged, RepInsGoesOnUntilTheBudgetEnds) {
    registers.rdx = 0x1f0;
    registers.rcx = kStringBudget + 10;
    EXPECT_EQ(run(kRepInsl).kind, Kind::done);
    EXPECT_EQ(registers.rip, test::kRip); // comes again
    EXPECT_EQ(registers.rcx, 10U);
    EXPECT_EQ(registers.rdi, 0x80000 + 4 * kStringBudget);
    EXPECT_NE(registers.rflags & kResume, 0U); // as the CPU leaves an unfinished string

    EXPECT_EQ(run(kRepInsl).kind, Kind::done);
    EXPECT_EQ(registers.rip, test::kRip + 2);
    EXPECT_EQ(registers.rcx, 0U);
    EXPECT_EQ(word_at(env, 4 * (kStringBudget + 9)), 0xa0b0'c000U + kStringBudget + 9);
}

TEST_F(Privileged, RepWithNothingToDoOnlyMovesOn) {
    registers.rcx = 0;
    expect_done(kRepInsl);
    expect_done(kRepOutsw);
    EXPECT_EQ(env.port_reads, 0U);
    EXPECT_TRUE(env.written.empty());
}

TEST_F(Privileged, RepStringsStepOneElementAtATime) {
    registers.rcx = 2;
    registers.rflags |= kTrap;
    EXPECT_EQ(run(kRepInsl).kind, Kind::single_step);
    EXPECT_EQ(registers.rcx, 1U);
    EXPECT_EQ(registers.rip, test::kRip);
    EXPECT_EQ(run(kRepInsl).kind, Kind::single_step);
    EXPECT_EQ(registers.rip, test::kRip + 2);
}

TEST_F(Privileged, OutsReadsAtRsi) {
    env.memory[2] = std::byte{0x34};
    env.memory[3] = std::byte{0x12};
    registers.rsi = 0x80000;
    registers.rcx = 2;
    registers.rdx = 0x300;
    expect_done(kRepOutsw);
    EXPECT_EQ(env.written, (std::vector<FakeEnvironment::PortWrite>{{0x300, 2, 0}, {0x300, 2, 0x1234}}));
    EXPECT_EQ(registers.rsi, 0x80004U);
}

TEST_F(Privileged, OutsGoesThroughASegmentAndInsDoesNot) {
    env.bases.gs = 0x70000;
    registers.rsi = 0x10000;
    expect_done(code({0x65, 0x6e})); // outsb %gs:(%rsi),(%dx)
    EXPECT_EQ(env.written.size(), 1U);
    expect_done(code({0x65, 0x6c})); // insb
    EXPECT_EQ(word_at(env, 0), 0U);
    EXPECT_EQ(registers.rdi, 0x80001U);
}

TEST_F(Privileged, AStringThatFaultsHasDoneWhatItCould) {
    registers.rdi = 0x80000 + 0x4000 - 8;
    registers.rcx = 5;
    auto const outcome = run(kRepInsl);
    EXPECT_EQ(outcome.kind, Kind::fault);
    EXPECT_EQ(outcome.raised.vector, kPageFault);
    EXPECT_EQ(outcome.raised.address.raw(), 0x84000U);
    EXPECT_EQ(outcome.raised.error_code, 2U);
    EXPECT_EQ(registers.rip, test::kRip);
    EXPECT_EQ(registers.rcx, 3U);
    EXPECT_EQ(registers.rdi, 0x84000U);
    EXPECT_EQ(env.port_reads, 2U); // none is lost: the third comes when the page is there
}

TEST_F(Privileged, OutsFaultsBeforeItWrites) {
    registers.rsi = 0x10;
    auto const outcome = run(code({0x6e}));
    EXPECT_EQ(outcome.kind, Kind::fault);
    EXPECT_EQ(outcome.raised.address.raw(), 0x10U);
    EXPECT_TRUE(env.written.empty());
}

TEST_F(Privileged, ANonCanonicalStringIsAProtectionFault) {
    registers.rdi = 0x7fff'ffff'fffe; // the element ends beyond the lower half
    auto const outcome = run(code({0x6d}));
    EXPECT_EQ(outcome.kind, Kind::fault);
    EXPECT_EQ(outcome.raised.vector, kGeneralProtection);
    EXPECT_EQ(outcome.raised.error_code, 0U);
    EXPECT_EQ(env.port_reads, 0U);
}

TEST_F(Privileged, StringsNeedThePortToo) {
    env.kernel = false;
    registers.rcx = 1;
    expect_bounced(kRepInsl);
    EXPECT_EQ(env.port_reads, 0U);
}

} // namespace
} // namespace emulate
