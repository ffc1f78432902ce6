#include "emulate/store.hpp"

#include <gtest/gtest.h>

#include "emulate/rflags.hpp"
#include "unit/emulate/applied.hpp"
#include "unit/emulate/code.hpp"

namespace emulate {
namespace {

using base::Vaddr;
using test::applied;
using test::code;
using test::Code;

constexpr Vaddr kEntry{0x80000}; // where RDI points

SegmentBases no_bases() { return {}; }

base::Result<StoreOperation, StoreRefusal> store_of(Code const& bytes, arch::Registers const& registers,
                                                    Vaddr fault = kEntry) {
    return decode_store(bytes, CodeMode::bits64, registers, no_bases, fault);
}

void expect_refused(Code const& bytes, StoreRefusal why, arch::Registers const& registers, Vaddr fault = kEntry) {
    auto const store = store_of(bytes, registers, fault);
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.error(), why);
}

// What Linux 6.1 writes page tables with (docs/abi.md §2.3), one by one.

TEST(Store, SetsAnEntry) {
    arch::Registers registers = test::numbered_registers();
    registers.rsi = 0x1234'5067;
    auto const store = store_of(code({0x48, 0x89, 0x37}), registers).value(); // movq %rsi,(%rdi)
    EXPECT_EQ(store.address(), kEntry);
    EXPECT_EQ(store.size(), 8U);
    auto const effect = applied(store, 0x9999, registers);
    EXPECT_EQ(effect.entry, 0x1234'5067U);
    EXPECT_EQ(effect.registers.rip, test::kRip + 3);
    EXPECT_EQ(effect.registers.rflags, registers.rflags);
    EXPECT_FALSE(effect.single_step);
}

TEST(Store, ClearsAnEntryAndHandsOverTheOldOne) { // ptep_get_and_clear
    arch::Registers registers = test::numbered_registers();
    registers.rax = 0;
    auto const store = store_of(code({0x48, 0x87, 0x07}), registers).value(); // xchgq %rax,(%rdi)
    auto const effect = applied(store, 0x1234'5067, registers);
    EXPECT_EQ(effect.entry, 0U);
    EXPECT_EQ(effect.registers.rax, 0x1234'5067U);
}

TEST(Store, WriteProtectsByAByteWideAnd) { // ptep_set_wrprotect
    arch::Registers const registers = test::numbered_registers();
    auto const store = store_of(code({0xf0, 0x80, 0x27, 0xfd}), registers).value(); // lock andb $0xfd,(%rdi)
    auto const effect = applied(store, 0x8000'0000'1234'5067, registers);
    EXPECT_EQ(effect.entry, 0x8000'0000'1234'5065U);
    EXPECT_EQ(effect.registers.rflags & (kCarry | kOverflow | kZero | kSign), 0U);
}

TEST(Store, WriteProtectsTheSameWayWithDsInPlaceOfLock) {
    arch::Registers const registers = test::numbered_registers();
    auto const store = store_of(code({0x3e, 0x80, 0x27, 0xfd}), registers).value();
    EXPECT_EQ(applied(store, 0x67, registers).entry, 0x65U);
}

TEST(Store, TestsAndClearsYoung) {
    arch::Registers const registers = test::numbered_registers();
    auto const store = store_of(code({0xf0, 0x48, 0x0f, 0xba, 0x37, 0x05}), registers).value(); // lock btrq $5,(%rdi)
    auto const young = applied(store, 0x67, registers);
    EXPECT_EQ(young.entry, 0x47U);
    EXPECT_NE(young.registers.rflags & kCarry, 0U);
    auto const old = applied(store, 0x47, registers);
    EXPECT_EQ(old.entry, 0x47U);
    EXPECT_EQ(old.registers.rflags & kCarry, 0U);
}

TEST(Store, ComparesAndExchanges) {
    arch::Registers registers = test::numbered_registers();
    registers.rax = 0x67;
    registers.rcx = 0x1067;
    auto const store = store_of(code({0xf0, 0x48, 0x0f, 0xb1, 0x0f}), registers).value(); // lock cmpxchgq %rcx,(%rdi)
    auto const equal = applied(store, 0x67, registers);
    EXPECT_EQ(equal.entry, 0x1067U);
    EXPECT_NE(equal.registers.rflags & kZero, 0U);
    auto const different = applied(store, 0x47, registers);
    EXPECT_EQ(different.entry, 0x47U);
    EXPECT_EQ(different.registers.rflags & kZero, 0U);
    EXPECT_EQ(different.registers.rax, 0x47U);
}

TEST(Store, CanBeAskedAgainWhenTheEntryHasChanged) {
    arch::Registers registers = test::numbered_registers();
    registers.rdx = 1;
    auto const store = store_of(code({0xf0, 0x48, 0x0f, 0xc1, 0x17}), registers).value(); // lock xaddq %rdx,(%rdi)
    EXPECT_EQ(applied(store, 5, registers).registers.rdx, 5U);
    auto const again = applied(store, 7, registers);
    EXPECT_EQ(again.entry, 8U);
    EXPECT_EQ(again.registers.rdx, 7U);
}

TEST(Store, ChangesOnlyItsPartOfTheEntry) {
    arch::Registers registers = test::numbered_registers();
    registers.rax = 0xaabb'ccdd'eeff'1122;
    std::uint64_t const old = 0x0102'0304'0506'0708;
    struct {
        Code bytes;
        std::uint64_t entry;
    } const cases[] = {
        {code({0x88, 0x47, 0x03}), 0x0102'0304'2206'0708},       // movb %al,3(%rdi)
        {code({0x66, 0x89, 0x47, 0x06}), 0x1122'0304'0506'0708}, // movw %ax,6(%rdi)
        {code({0x89, 0x47, 0x04}), 0xeeff'1122'0506'0708},       // movl %eax,4(%rdi)
        {code({0x89, 0x07}), 0x0102'0304'eeff'1122},             // movl %eax,(%rdi)
    };
    for (auto const& one : cases) {
        auto const store = store_of(one.bytes, registers).value();
        EXPECT_EQ(store.entry(), kEntry);
        EXPECT_EQ(applied(store, old, registers).entry, one.entry);
    }
}

TEST(Store, GoesThroughGsBase) {
    arch::Registers const registers = test::numbered_registers();
    auto const bases = [] { return SegmentBases{.fs = 0, .gs = 0xffff'8880'0000'0000}; };
    Vaddr const fault{0xffff'8880'0008'0000};
    auto const store = decode_store(code({0x65, 0x48, 0x89, 0x37}), CodeMode::bits64, registers, bases, fault);
    ASSERT_TRUE(store.ok());
    EXPECT_EQ(store.value().address(), fault);
}

TEST(Store, AsksForSegmentBasesOnlyIfThereIsAnOverride) {
    static bool asked;
    asked = false;
    auto const bases = [] {
        asked = true;
        return SegmentBases{};
    };
    arch::Registers const registers = test::numbered_registers();
    EXPECT_TRUE(decode_store(code({0x48, 0x89, 0x37}), CodeMode::bits64, registers, bases, kEntry).ok());
    EXPECT_FALSE(asked);
    EXPECT_TRUE(decode_store(code({0x65, 0x48, 0x89, 0x37}), CodeMode::bits64, registers, bases, kEntry).ok());
    EXPECT_TRUE(asked);
}

TEST(Store, OwesASingleSteppedGuestADebugException) {
    arch::Registers registers = test::numbered_registers();
    registers.rflags |= kTrap | kResume;
    auto const effect = applied(store_of(code({0x48, 0x89, 0x37}), registers).value(), 0, registers);
    EXPECT_TRUE(effect.single_step);
    EXPECT_EQ(effect.registers.rflags & kResume, 0U);
}

TEST(Store, StringsGoOnElementByElement) {
    arch::Registers registers = test::numbered_registers();
    registers.rcx = 2;
    registers.rax = 0x1234;
    Code const rep_stosq = code({0xf3, 0x48, 0xab});
    auto const first = applied(store_of(rep_stosq, registers).value(), 0, registers);
    EXPECT_EQ(first.entry, 0x1234U);
    EXPECT_EQ(first.registers.rip, test::kRip);
    EXPECT_EQ(first.registers.rcx, 1U);
    EXPECT_EQ(first.registers.rdi, kEntry.raw() + 8);

    auto const last = applied(store_of(rep_stosq, first.registers, kEntry + 8).value(), 0, first.registers);
    EXPECT_EQ(last.registers.rip, test::kRip + 3);
    EXPECT_EQ(last.registers.rcx, 0U);
    EXPECT_EQ(last.registers.rdi, kEntry.raw() + 16);
    expect_refused(rep_stosq, StoreRefusal::misplaced, last.registers, kEntry + 16);
}

TEST(Store, StringsGoDownWithTheDirectionFlag) {
    arch::Registers registers = test::numbered_registers();
    registers.rflags |= kDirection;
    auto const effect = applied(store_of(code({0xaa}), registers).value(), 0, registers); // stosb
    EXPECT_EQ(effect.registers.rdi, kEntry.raw() - 1);
    EXPECT_EQ(effect.registers.rip, test::kRip + 1);
}

TEST(Store, RefusesWhatStoresNothing) {
    arch::Registers const registers = test::numbered_registers();
    expect_refused(code({0x48, 0x89, 0xf7}), StoreRefusal::not_a_store, registers); // movq %rsi,%rdi
    expect_refused(code({0x0f, 0x30}), StoreRefusal::not_a_store, registers);       // wrmsr
    expect_refused(code({0x6c}), StoreRefusal::not_a_store, registers);             // insb
}

TEST(Store, RefusesWhatCannotBeDecoded) {
    arch::Registers const registers = test::numbered_registers();
    expect_refused(code({0x0f, 0x29, 0x07}), StoreRefusal::not_decodable, registers); // movaps
    expect_refused(code({0x48, 0x89}), StoreRefusal::not_decodable, registers);       // cut off
    expect_refused({}, StoreRefusal::not_decodable, registers);
    auto const compat = decode_store(code({0x89, 0x07}), CodeMode::bits32, registers, no_bases, kEntry);
    EXPECT_FALSE(compat.ok());
}

TEST(Store, RefusesWhatDoesNotWriteTheEntryThatFaulted) {
    arch::Registers const registers = test::numbered_registers();
    expect_refused(code({0x48, 0x89, 0x37}), StoreRefusal::misplaced, registers, kEntry + 8);
    expect_refused(code({0x48, 0x89, 0x37}), StoreRefusal::misplaced, registers, Vaddr{kEntry.raw() - 1});
}

TEST(Store, RefusesMisalignedOperands) {
    arch::Registers const registers = test::numbered_registers();
    expect_refused(code({0x48, 0x89, 0x77, 0x04}), StoreRefusal::misplaced, registers); // movq %rsi,4(%rdi)
    expect_refused(code({0x89, 0x77, 0x06}), StoreRefusal::misplaced, registers);       // movl %esi,6(%rdi)
    expect_refused(code({0x66, 0x89, 0x77, 0x07}), StoreRefusal::misplaced, registers); // movw %si,7(%rdi)
}

} // namespace
} // namespace emulate
