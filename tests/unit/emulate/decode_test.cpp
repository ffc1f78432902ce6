#include "emulate/decode.hpp"

#include <gtest/gtest.h>

#include "unit/emulate/code.hpp"

namespace emulate {
namespace {

using test::code;
using test::Code;

constexpr std::uint64_t kNowhere = ~std::uint64_t{0};
constexpr SegmentBases kBases{.fs = 0x7f00'0000'0000, .gs = 0xffff'8880'0000'0000};

struct Sample {
    char const* assembly; ///< GNU as, AT&T syntax; `ds` stands for a bare 3E prefix
    Code bytes;
    Operation operation;
    unsigned operand_bytes;
    std::uint64_t address; ///< with numbered_registers() and kBases
};

// clang-format off
std::vector<Sample> const kSamples = {
    {"movq %rsi,(%rdi)", code({0x48, 0x89, 0x37}), Operation::mov, 8, 0x80000},
    {"movq %r15,(%r8)", code({0x4d, 0x89, 0x38}), Operation::mov, 8, 0x90000},
    {"movl %eax,(%rdi)", code({0x89, 0x07}), Operation::mov, 4, 0x80000},
    {"movw %ax,(%rdi)", code({0x66, 0x89, 0x07}), Operation::mov, 2, 0x80000},
    {"movb %al,(%rdi)", code({0x88, 0x07}), Operation::mov, 1, 0x80000},
    {"movb %ah,(%rdi)", code({0x88, 0x27}), Operation::mov, 1, 0x80000},
    {"movb %sil,(%rdi)", code({0x40, 0x88, 0x37}), Operation::mov, 1, 0x80000},
    {"movq $0,(%rdi)", code({0x48, 0xc7, 0x07, 0x00, 0x00, 0x00, 0x00}), Operation::mov, 8, 0x80000},
    {"movq $-2147483648,8(%rdi)", code({0x48, 0xc7, 0x47, 0x08, 0x00, 0x00, 0x00, 0x80}), Operation::mov, 8, 0x80008},
    {"movl $0x12345678,(%rdi)", code({0xc7, 0x07, 0x78, 0x56, 0x34, 0x12}), Operation::mov, 4, 0x80000},
    {"movw $0x1234,(%rdi)", code({0x66, 0xc7, 0x07, 0x34, 0x12}), Operation::mov, 2, 0x80000},
    {"movb $0xfd,(%rdi)", code({0xc6, 0x07, 0xfd}), Operation::mov, 1, 0x80000},
    {"movabs %rax,0x123456789abc", code({0x48, 0xa3, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0x00, 0x00}), Operation::mov, 8, 0x123456789abc},
    {"movabs %al,0x123456789abc", code({0xa2, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0x00, 0x00}), Operation::mov, 1, 0x123456789abc},
    {"addr32 movl %eax,0x12345678", code({0x67, 0xa3, 0x78, 0x56, 0x34, 0x12}), Operation::mov, 4, 0x12345678},
    {"movntiq %rax,(%rdi)", code({0x48, 0x0f, 0xc3, 0x07}), Operation::mov, 8, 0x80000},
    {"movntil %eax,(%rdi)", code({0x0f, 0xc3, 0x07}), Operation::mov, 4, 0x80000},
    {"stosq", code({0x48, 0xab}), Operation::stos, 8, 0x80000},
    {"stosl", code({0xab}), Operation::stos, 4, 0x80000},
    {"stosb", code({0xaa}), Operation::stos, 1, 0x80000},
    {"rep stosq", code({0xf3, 0x48, 0xab}), Operation::stos, 8, 0x80000},
    {"fs rep stosb", code({0x64, 0xf3, 0xaa}), Operation::stos, 1, 0x80000},
    {"xchgq %rax,(%rbx)", code({0x48, 0x87, 0x03}), Operation::xchg, 8, 0x40000},
    {"xchgq %r9,(%r10)", code({0x4d, 0x87, 0x0a}), Operation::xchg, 8, 0xb0000},
    {"xchgb %cl,(%rbx)", code({0x86, 0x0b}), Operation::xchg, 1, 0x40000},
    {"lock xchgl %ecx,(%rbx)", code({0xf0, 0x87, 0x0b}), Operation::xchg, 4, 0x40000},
    {"lock cmpxchgq %rcx,(%rdi)", code({0xf0, 0x48, 0x0f, 0xb1, 0x0f}), Operation::cmpxchg, 8, 0x80000},
    {"cmpxchgb %cl,(%rdi)", code({0x0f, 0xb0, 0x0f}), Operation::cmpxchg, 1, 0x80000},
    {"ds cmpxchgq %rcx,(%rdi)", code({0x3e, 0x48, 0x0f, 0xb1, 0x0f}), Operation::cmpxchg, 8, 0x80000},
    {"lock cmpxchg8b (%rdi)", code({0xf0, 0x0f, 0xc7, 0x0f}), Operation::cmpxchg8b, 8, 0x80000},
    {"lock xaddq %rdx,(%rdi)", code({0xf0, 0x48, 0x0f, 0xc1, 0x17}), Operation::xadd, 8, 0x80000},
    {"xaddw %dx,(%rdi)", code({0x66, 0x0f, 0xc1, 0x17}), Operation::xadd, 2, 0x80000},
    {"lock andb $0xfd,(%rdi)", code({0xf0, 0x80, 0x27, 0xfd}), Operation::bit_and, 1, 0x80000},
    {"ds andb $0xfd,(%rdi)", code({0x3e, 0x80, 0x27, 0xfd}), Operation::bit_and, 1, 0x80000},
    {"lock orb $0x40,(%rdi)", code({0xf0, 0x80, 0x0f, 0x40}), Operation::bit_or, 1, 0x80000},
    {"lock andq $-3,(%rdi)", code({0xf0, 0x48, 0x83, 0x27, 0xfd}), Operation::bit_and, 8, 0x80000},
    {"andq $0x7fffffff,(%rdi)", code({0x48, 0x81, 0x27, 0xff, 0xff, 0xff, 0x7f}), Operation::bit_and, 8, 0x80000},
    {"orl %eax,(%rdi)", code({0x09, 0x07}), Operation::bit_or, 4, 0x80000},
    {"xorq %rax,(%rdi)", code({0x48, 0x31, 0x07}), Operation::bit_xor, 8, 0x80000},
    {"addq $1,(%rdi)", code({0x48, 0x83, 0x07, 0x01}), Operation::add, 8, 0x80000},
    {"subl $0x1000,(%rdi)", code({0x81, 0x2f, 0x00, 0x10, 0x00, 0x00}), Operation::sub, 4, 0x80000},
    {"adcw %ax,(%rdi)", code({0x66, 0x11, 0x07}), Operation::adc, 2, 0x80000},
    {"sbbb %al,(%rdi)", code({0x18, 0x07}), Operation::sbb, 1, 0x80000},
    {"lock incq (%rdi)", code({0xf0, 0x48, 0xff, 0x07}), Operation::inc, 8, 0x80000},
    {"decb (%rdi)", code({0xfe, 0x0f}), Operation::dec, 1, 0x80000},
    {"notl (%rdi)", code({0xf7, 0x17}), Operation::bit_not, 4, 0x80000},
    {"negw (%rdi)", code({0x66, 0xf7, 0x1f}), Operation::neg, 2, 0x80000},
    {"lock btrq $5,(%rdi)", code({0xf0, 0x48, 0x0f, 0xba, 0x37, 0x05}), Operation::btr, 8, 0x80000},
    {"lock btsq $6,(%rdi)", code({0xf0, 0x48, 0x0f, 0xba, 0x2f, 0x06}), Operation::bts, 8, 0x80000},
    {"lock btcl $31,(%rdi)", code({0xf0, 0x0f, 0xba, 0x3f, 0x1f}), Operation::btc, 4, 0x80000},
    {"ds btrq $5,(%rdi)", code({0x3e, 0x48, 0x0f, 0xba, 0x37, 0x05}), Operation::btr, 8, 0x80000},
    {"lock btrq %rax,(%rdi)", code({0xf0, 0x48, 0x0f, 0xb3, 0x07}), Operation::btr, 8, 0x82000},
    {"btsl %ecx,(%rdi)", code({0x0f, 0xab, 0x0f}), Operation::bts, 4, 0x84000},
    {"btcw %cx,(%rdi)", code({0x66, 0x0f, 0xbb, 0x0f}), Operation::btc, 2, 0x80000},
    {"movq %rax,0x10(%rbp)", code({0x48, 0x89, 0x45, 0x10}), Operation::mov, 8, 0x60010},
    {"movq %rax,-8(%rsp)", code({0x48, 0x89, 0x44, 0x24, 0xf8}), Operation::mov, 8, 0x4fff8},
    {"movq %rax,0x12345(%r12)", code({0x49, 0x89, 0x84, 0x24, 0x45, 0x23, 0x01, 0x00}), Operation::mov, 8, 0xe2345},
    {"movq %rax,(%r13)", code({0x49, 0x89, 0x45, 0x00}), Operation::mov, 8, 0xe0000},
    {"movq %rax,(%rbx,%rcx,8)", code({0x48, 0x89, 0x04, 0xcb}), Operation::mov, 8, 0x140000},
    {"movq %rax,-0x20(%r14,%r15,4)", code({0x4b, 0x89, 0x44, 0xbe, 0xe0}), Operation::mov, 8, 0x4effe0},
    {"movq %rax,(%rbx,%r12,1)", code({0x4a, 0x89, 0x04, 0x23}), Operation::mov, 8, 0x110000},
    {"movq %rax,0x1000(,%rdx,2)", code({0x48, 0x89, 0x04, 0x55, 0x00, 0x10, 0x00, 0x00}), Operation::mov, 8, 0x61000},
    {"movq %rax,0xffffffffff5fd000", code({0x48, 0x89, 0x04, 0x25, 0x00, 0xd0, 0x5f, 0xff}), Operation::mov, 8, 0xffffffffff5fd000},
    {"movq %rax,0x100(%rip)", code({0x48, 0x89, 0x05, 0x00, 0x01, 0x00, 0x00}), Operation::mov, 8, 0x400107},
    {"movq $7,0x100(%rip)", code({0x48, 0xc7, 0x05, 0x00, 0x01, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00}), Operation::mov, 8, 0x40010b},
    {"movq %rax,%fs:(%rdi)", code({0x64, 0x48, 0x89, 0x07}), Operation::mov, 8, 0x7f0000080000},
    {"movq %rax,%gs:0x40", code({0x65, 0x48, 0x89, 0x04, 0x25, 0x40, 0x00, 0x00, 0x00}), Operation::mov, 8, 0xffff888000000040},
    {"movq %rax,(%edi)", code({0x67, 0x48, 0x89, 0x07}), Operation::mov, 8, 0x80000},
    {"movq %rax,-0x90000(%edi)", code({0x67, 0x48, 0x89, 0x87, 0x00, 0x00, 0xf7, 0xff}), Operation::mov, 8, 0xffff0000},
    {"rdmsr", code({0x0f, 0x32}), Operation::rdmsr, 4, kNowhere},
    {"wrmsr", code({0x0f, 0x30}), Operation::wrmsr, 4, kNowhere},
    {"clts", code({0x0f, 0x06}), Operation::clts, 4, kNowhere},
    {"xsetbv", code({0x0f, 0x01, 0xd1}), Operation::xsetbv, 4, kNowhere},
    {"rdtsc", code({0x0f, 0x31}), Operation::rdtsc, 4, kNowhere},
    {"rdtscp", code({0x0f, 0x01, 0xf9}), Operation::rdtscp, 4, kNowhere},
    {"wbinvd", code({0x0f, 0x09}), Operation::wbinvd, 4, kNowhere},
    {"wbnoinvd", code({0xf3, 0x0f, 0x09}), Operation::wbinvd, 4, kNowhere},
    {"hlt", code({0xf4}), Operation::hlt, 4, kNowhere},
    {"cpuid", code({0x0f, 0xa2}), Operation::cpuid, 4, kNowhere},
    {"cli", code({0xfa}), Operation::cli, 4, kNowhere},
    {"sti", code({0xfb}), Operation::sti, 4, kNowhere},
    {"int $0x80", code({0xcd, 0x80}), Operation::software_interrupt, 4, kNowhere},
    {"int $0x21", code({0xcd, 0x21}), Operation::software_interrupt, 4, kNowhere},
    {"movq %cr0,%rax", code({0x0f, 0x20, 0xc0}), Operation::read_control, 8, kNowhere},
    {"movq %cr8,%r9", code({0x45, 0x0f, 0x20, 0xc1}), Operation::read_control, 8, kNowhere},
    {"movq %r15,%cr4", code({0x41, 0x0f, 0x22, 0xe7}), Operation::write_control, 8, kNowhere},
    {"movq %db7,%rax", code({0x0f, 0x21, 0xf8}), Operation::read_debug, 8, kNowhere},
    {"movq %rcx,%db6", code({0x0f, 0x23, 0xf1}), Operation::write_debug, 8, kNowhere},
    {"ud2a; .ascii \"xen\"; cpuid", code({0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2}), Operation::forced_cpuid, 0, kNowhere},
    {"inb $0x60,%al", code({0xe4, 0x60}), Operation::in, 1, kNowhere},
    {"inl $0xfc,%eax", code({0xe5, 0xfc}), Operation::in, 4, kNowhere},
    {"inw %dx,%ax", code({0x66, 0xed}), Operation::in, 2, kNowhere},
    {"inl %dx,%eax", code({0xed}), Operation::in, 4, kNowhere},
    {"inb %dx,%al", code({0xec}), Operation::in, 1, kNowhere},
    {"outb %al,$0x80", code({0xe6, 0x80}), Operation::out, 1, kNowhere},
    {"outw %ax,%dx", code({0x66, 0xef}), Operation::out, 2, kNowhere},
    {"outl %eax,%dx", code({0xef}), Operation::out, 4, kNowhere},
    {"insb (%dx),%es:(%rdi)", code({0x6c}), Operation::ins, 1, kNowhere},
    {"rep insw (%dx),%es:(%rdi)", code({0x66, 0xf3, 0x6d}), Operation::ins, 2, kNowhere},
    {"insl (%dx),%es:(%rdi)", code({0x6d}), Operation::ins, 4, kNowhere},
    {"outsb (%rsi),(%dx)", code({0x6e}), Operation::outs, 1, kNowhere},
    {"rep outsl (%rsi),(%dx)", code({0xf3, 0x6f}), Operation::outs, 4, kNowhere},
    {"rep outsw %gs:(%rsi),(%dx)", code({0x65, 0x66, 0xf3, 0x6f}), Operation::outs, 2, kNowhere},
};
// clang-format on

TEST(Decoder, KnowsEveryInstructionOfTheTable) {
    arch::Registers const registers = test::numbered_registers();
    for (Sample const& sample : kSamples) {
        SCOPED_TRACE(sample.assembly);
        auto const decoded = decode(sample.bytes, CodeMode::bits64);
        ASSERT_TRUE(decoded.ok());
        Instruction const& instruction = decoded.value();
        EXPECT_EQ(instruction.operation, sample.operation);
        EXPECT_EQ(instruction.length, sample.bytes.size());
        if (sample.operand_bytes != 0) {
            EXPECT_EQ(instruction.operand_bytes, sample.operand_bytes);
        }
        if (sample.address != kNowhere) {
            EXPECT_TRUE(instruction.has_memory);
            EXPECT_EQ(effective_address(instruction, registers, kBases).raw(), sample.address);
        }
    }
}

TEST(Decoder, IgnoresWhatFollowsTheInstruction) {
    for (Sample const& sample : kSamples) {
        SCOPED_TRACE(sample.assembly);
        Code longer = sample.bytes;
        longer.resize(kLongestInstruction, std::byte{0xcc});
        auto const decoded = decode(longer, CodeMode::bits64);
        ASSERT_TRUE(decoded.ok());
        EXPECT_EQ(decoded.value().length, sample.bytes.size());
    }
}

TEST(Decoder, SaysWhenTheInstructionGoesOnBeyondTheBytes) {
    for (Sample const& sample : kSamples) {
        SCOPED_TRACE(sample.assembly);
        for (std::size_t size = 0; size < sample.bytes.size(); ++size) {
            Code const shorter(sample.bytes.begin(), sample.bytes.begin() + static_cast<std::ptrdiff_t>(size));
            auto const decoded = decode(shorter, CodeMode::bits64);
            ASSERT_FALSE(decoded.ok());
            EXPECT_EQ(decoded.error(), DecodeFailure::truncated);
        }
    }
}

Code with_segment_prefixes(unsigned count, Code const& rest) {
    Code made(count, std::byte{0x3e});
    made.insert(made.end(), rest.begin(), rest.end());
    return made;
}

TEST(Decoder, TakesFifteenBytesAndNotSixteen) {
    Code const mov = code({0x48, 0x89, 0x37});
    auto const longest = decode(with_segment_prefixes(12, mov), CodeMode::bits64);
    ASSERT_TRUE(longest.ok());
    EXPECT_EQ(longest.value().length, 15);
    auto const too_long = decode(with_segment_prefixes(13, mov), CodeMode::bits64);
    ASSERT_FALSE(too_long.ok());
    EXPECT_EQ(too_long.error(), DecodeFailure::too_long);
}

void expect_unknown(Code const& bytes, char const* what, CodeMode mode = CodeMode::bits64) {
    SCOPED_TRACE(what);
    auto const decoded = decode(bytes, mode);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error(), DecodeFailure::unknown);
}

TEST(Decoder, RefusesWhatItDoesNotCarryOut) {
    expect_unknown(code({0x48, 0x8b, 0x07}), "movq (%rdi),%rax");
    expect_unknown(code({0x48, 0x39, 0x07}), "cmpq %rax,(%rdi)");
    expect_unknown(code({0x80, 0x3f, 0x01}), "cmpb $1,(%rdi)");
    expect_unknown(code({0xf6, 0x07, 0x01}), "testb $1,(%rdi)");
    expect_unknown(code({0x48, 0xd1, 0x27}), "shlq (%rdi)");
    expect_unknown(code({0x48, 0xff, 0x37}), "pushq (%rdi)");
    expect_unknown(code({0x48, 0xa5}), "movsq");
    expect_unknown(code({0x0f, 0x29, 0x07}), "movaps %xmm0,(%rdi)");
    expect_unknown(code({0x48, 0x0f, 0xba, 0x27, 0x05}), "btq $5,(%rdi)");
    expect_unknown(code({0x48, 0x0f, 0xc7, 0x0f}), "cmpxchg16b (%rdi)");
    expect_unknown(code({0x0f, 0xc7, 0x17}), "0f c7 /2");
    expect_unknown(code({0xc6, 0xf8, 0x01}), "xabort $1");
    expect_unknown(code({0x0f, 0x01, 0x17}), "lgdt (%rdi)");
    expect_unknown(code({0x0f, 0x01, 0x3f}), "invlpg (%rdi)");
    expect_unknown(code({0x0f, 0x01, 0xf8}), "swapgs");
    expect_unknown(code({0x0f, 0x08}), "invd");
    expect_unknown(code({0x0f, 0x33}), "rdpmc");
    expect_unknown(code({0xcc}), "int3");
    expect_unknown(code({0xc5, 0xf8, 0x29, 0x07}), "vmovaps %xmm0,(%rdi)");
    expect_unknown(code({0x0f, 0x0b, 0x78, 0x65, 0x6f, 0x0f, 0xa2}), "ud2, not quite \"xen\"");
    expect_unknown(code({0x0f, 0x0b, 0x90}), "ud2; nop");
}

TEST(Decoder, RefusesLockWhereTheCpuDoes) {
    expect_unknown(code({0xf0, 0x48, 0x89, 0x07}), "lock movq %rax,(%rdi)");
    expect_unknown(code({0xf0, 0x48, 0x01, 0xc7}), "lock addq %rax,%rdi");
    expect_unknown(code({0xf0, 0x48, 0x87, 0xc7}), "lock xchgq %rax,%rdi");
    expect_unknown(code({0xf0, 0xaa}), "lock stosb");
    expect_unknown(code({0xf0, 0x0f, 0x30}), "lock wrmsr");
    expect_unknown(code({0xf0, 0x0f, 0x22, 0xc0}), "lock movq %rax,%cr0");
}

TEST(Decoder, RefusesPrefixesThatMakeAnotherInstruction) {
    expect_unknown(code({0x66, 0x0f, 0xc3, 0x07}), "66 movnti");
    expect_unknown(code({0xf3, 0x0f, 0xc3, 0x07}), "f3 movnti");
    expect_unknown(code({0x0f, 0xc3, 0xc7}), "movnti with a register");
    expect_unknown(code({0x66, 0x0f, 0x01, 0xd1}), "66 xsetbv");
    expect_unknown(code({0xf3, 0x0f, 0x01, 0xd1}), "f3 xsetbv");
}

TEST(Decoder, CountsARexPrefixOnlyRightBeforeTheOpcode) {
    auto const decoded = decode(code({0x48, 0x66, 0x89, 0x07}), CodeMode::bits64); // rex.w data16 mov
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded.value().operand_bytes, 2);
}

TEST(Decoder, LetsAnotherOverrideNotHideFsAndGs) {
    // lock with an override, after Linux has turned LOCK into DS for one CPU
    auto const decoded = decode(code({0x65, 0x3e, 0x48, 0x0f, 0xb1, 0x0f}), CodeMode::bits64);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded.value().memory.segment, SegmentOverride::gs);
}

TEST(Decoder, TellsHighBytesFromNewRegisters) {
    auto const high = decode(code({0x88, 0x27}), CodeMode::bits64).value(); // movb %ah,(%rdi)
    EXPECT_EQ(high.reg.number, kRax);
    EXPECT_TRUE(high.reg.high_byte);
    auto const low = decode(code({0x40, 0x88, 0x27}), CodeMode::bits64).value(); // movb %spl,(%rdi)
    EXPECT_EQ(low.reg.number, kRsp);
    EXPECT_FALSE(low.reg.high_byte);
}

TEST(Decoder, SignExtendsImmediates) {
    auto const wide = decode(code({0x48, 0xc7, 0x07, 0xff, 0xff, 0xff, 0xff}), CodeMode::bits64).value();
    EXPECT_EQ(wide.immediate, ~std::uint64_t{0});
    auto const narrow = decode(code({0x48, 0x83, 0x27, 0xfd}), CodeMode::bits64).value();
    EXPECT_EQ(narrow.immediate, ~std::uint64_t{2});
    auto const vector = decode(code({0xcd, 0x80}), CodeMode::bits64).value();
    EXPECT_EQ(vector.immediate, 0x80U);
}

TEST(Decoder, KnowsOfCompatibilityModeOnlyWhatUserSpaceNeeds) {
    for (Code const& bytes :
         {code({0xe4, 0x60}), code({0xef}), code({0x66, 0xed}), code({0xfa}), code({0xfb}), code({0xcd, 0x80}),
          code({0x0f, 0xa2}), code({0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2})}) {
        auto const decoded = decode(bytes, CodeMode::bits32);
        ASSERT_TRUE(decoded.ok());
        EXPECT_EQ(decoded.value().length, bytes.size());
    }
    expect_unknown(code({0x89, 0x07}), "movl %eax,(%edi)", CodeMode::bits32);
    expect_unknown(code({0x40}), "incl %eax", CodeMode::bits32);
    expect_unknown(code({0x6c}), "insb", CodeMode::bits32);
    expect_unknown(code({0x0f, 0x32}), "rdmsr", CodeMode::bits32);
    expect_unknown(code({0xf4}), "hlt", CodeMode::bits32);
}

TEST(Decoder, KnowsNothingOfOtherModes) {
    for (Sample const& sample : kSamples)
        expect_unknown(sample.bytes, sample.assembly, CodeMode::other);
}

TEST(EffectiveAddress, WrapsAtTheAddressSize) {
    arch::Registers registers = test::numbered_registers();
    registers.rdi = 0xffff'ffff'ffff'fff8;
    auto const wide = decode(code({0x48, 0x89, 0x47, 0x10}), CodeMode::bits64).value(); // movq %rax,0x10(%rdi)
    EXPECT_EQ(effective_address(wide, registers, {}).raw(), 8U);
    auto const narrow = decode(code({0x67, 0x48, 0x89, 0x47, 0x10}), CodeMode::bits64).value();
    EXPECT_EQ(effective_address(narrow, registers, {}).raw(), 8U);
    registers.rdi = 0x1'0000'1000;
    EXPECT_EQ(effective_address(narrow, registers, {}).raw(), 0x1010U);
}

TEST(EffectiveAddress, FollowsABitOffsetInARegisterBothWays) {
    arch::Registers registers = test::numbered_registers();
    auto const btr = decode(code({0x48, 0x0f, 0xb3, 0x07}), CodeMode::bits64).value(); // btrq %rax,(%rdi)
    auto const operand_of = [&](std::int64_t offset) {
        registers.rax = static_cast<std::uint64_t>(offset);
        return static_cast<std::int64_t>(effective_address(btr, registers, {}).raw() - registers.rdi);
    };
    EXPECT_EQ(operand_of(0), 0);
    EXPECT_EQ(operand_of(63), 0);
    EXPECT_EQ(operand_of(64), 8);
    EXPECT_EQ(operand_of(-1), -8);
    EXPECT_EQ(operand_of(-64), -8);
    EXPECT_EQ(operand_of(-65), -16);
    EXPECT_EQ(operand_of(INT64_MIN), INT64_MIN / 8);
}

TEST(Retire, MovesOnClearsResumeAndTellsOfSingleStepping) {
    arch::Registers registers = test::numbered_registers();
    registers.rflags = 0x10202; // RF
    EXPECT_FALSE(retire(registers, 3));
    EXPECT_EQ(registers.rip, test::kRip + 3);
    EXPECT_EQ(registers.rflags, 0x202U);
    registers.rflags = 0x302; // TF
    EXPECT_TRUE(retire(registers, 2));
    EXPECT_EQ(registers.rip, test::kRip + 5);
}

} // namespace
} // namespace emulate
