/// The privileged registers, which a kernel in ring 3 reads and writes as if it ran in ring 0: the hypervisor emulates
/// the instructions, and answers for a virtual processor (docs/abi.md §4.2, §4.3).
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "lib/vectors.hpp"

using namespace lib;

namespace {

constexpr std::uint32_t kApicBase = 0x1b, kTsc = 0x10, kPat = 0x277, kEfer = 0xc000'0080, kLstar = 0xc000'0082,
                        kFsBase = 0xc000'0100, kGsBase = 0xc000'0101, kKernelGsBase = 0xc000'0102, kNoMsr = 0x1234'5678;
constexpr std::uint64_t kNotCanonical = std::uint64_t{1} << 48;
constexpr std::uint64_t kCr0Ts = 8, kCr4Tsd = 4, kCr4De = 8, kCr4FsGsBase = 1 << 16, kCr4Smep = 1 << 20;

template <typename Code> bool refused(Code const& code) {
    Caught const trap = trap_of(code);
    return trap.vector == kGeneralProtection && trap.error_code == 0;
}
template <typename Code> bool allowed(Code const& code) { return trap_of(code).vector == kNoTrap; }

} // namespace

TEST("the segment bases are the live ones, and can be set") {
    wrmsr(kFsBase, 0x1111'0000);
    CHECK_EQ(rdmsr(kFsBase), 0x1111'0000);
    wrmsr(kGsBase, 0xffff'8880'0000'0000);
    CHECK_EQ(rdmsr(kGsBase), 0xffff'8880'0000'0000);
    wrmsr(kKernelGsBase, 0x3333'0000); // the one that is not active now: user mode's
    CHECK_EQ(rdmsr(kKernelGsBase), 0x3333'0000);
    CHECK_EQ(rdmsr(kGsBase), 0xffff'8880'0000'0000);
    for (std::uint32_t const index : {kFsBase, kGsBase, kKernelGsBase})
        CHECK(refused([&] { wrmsr(index, kNotCanonical); }));
    CHECK_EQ(rdmsr(kFsBase), 0x1111'0000);
}

TEST("set_segment_base sets the same bases") {
    CHECK_EQ(set_segment_base(SEGBASE_FS, 0x4444'0000), 0);
    CHECK_EQ(rdmsr(kFsBase), 0x4444'0000);
    CHECK_EQ(set_segment_base(SEGBASE_GS_KERNEL, 0x5555'0000), 0);
    CHECK_EQ(rdmsr(kGsBase), 0x5555'0000);
    CHECK_EQ(set_segment_base(SEGBASE_GS_USER, 0x6666'0000), 0);
    CHECK_EQ(rdmsr(kKernelGsBase), 0x6666'0000);
    for (unsigned const which : {SEGBASE_FS, SEGBASE_GS_KERNEL, SEGBASE_GS_USER})
        CHECK_EQ(set_segment_base(which, kNotCanonical), kEINVAL);
    CHECK_EQ(set_segment_base(99, 0), kEINVAL);
}

TEST("user mode's GS selector is loaded by hypercall; one that leads nowhere becomes none") {
    CHECK_EQ(set_segment_base(SEGBASE_GS_USER, 0x7777'0000), 0);
    CHECK_EQ(set_segment_base(SEGBASE_GS_USER_SEL, FLAT_USER_DS32), 0);
    CHECK_EQ(rdmsr(kKernelGsBase), 0); // a flat segment: its base is 0
    CHECK_EQ(set_segment_base(SEGBASE_GS_USER_SEL, 0x1b), 0);
    CHECK_EQ(set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
    CHECK_EQ(read_gs(), 0); // the kernel's own is another matter
}

TEST("EFER says long mode, system calls and NX, and hides virtualisation; it can be written as it is only") {
    std::uint64_t const efer = rdmsr(kEfer);
    CHECK_EQ(efer & 0xd01, 0xd01); // SCE, LME, LMA, NXE
    CHECK_EQ(efer & 0x1000, 0);    // SVME
    CHECK(allowed([&] { wrmsr(kEfer, efer); }));
    CHECK(refused([&] { wrmsr(kEfer, efer ^ 0x100); }));
}

TEST("the local APIC says where it would be, and that this is the first processor") {
    CHECK_EQ(rdmsr(kApicBase), 0xfee0'0900);
    CHECK(refused([] { wrmsr(kApicBase, 0); }));
}

TEST("the time stamp counter is what RDTSC reads") {
    std::uint64_t const before = rdtsc(), msr = rdmsr(kTsc), after = rdtsc();
    CHECK(before <= msr && msr <= after);
}

TEST("the page attribute table can be read, and not written") {
    std::uint64_t const pat = rdmsr(kPat);
    CHECK(pat == 0x0000'0501'0007'0406 || pat == 0x0007'0406'0007'0406); // Xen's, or the processor's own
    CHECK(refused([&] { wrmsr(kPat, pat); }));
}

TEST("what the hypervisor keeps in its own registers is not told") {
    static std::uint64_t lstar;
    lstar = 0;
    if (allowed([] { lstar = rdmsr(kLstar); }))
        CHECK_EQ(lstar, 0);
    CHECK(refused([] { wrmsr(kLstar, 0x1234); }));
}

TEST("a register that does not exist is refused") {
    CHECK(refused([] { rdmsr(kNoMsr); }));
    CHECK(refused([] { wrmsr(kNoMsr, 0); }));
}

TEST("CR0 is a protected, paging processor's; only TS can be changed, and CLTS clears it") {
    std::uint64_t const cr0 = read_cr0();
    CHECK_EQ(cr0 & 0x8000'0001, 0x8000'0001);
    CHECK_EQ(cr0 & kCr0Ts, 0);
    CHECK(allowed([&] { write_cr0(cr0 | kCr0Ts); }));
    CHECK_EQ(read_cr0(), cr0 | kCr0Ts);
    CHECK(allowed([] { clts(); }));
    CHECK_EQ(read_cr0(), cr0);
    CHECK(refused([&] { write_cr0(cr0 & ~std::uint64_t{1}); }));
    CHECK(refused([&] { write_cr0(cr0 ^ 0x1'0000); })); // WP
}

TEST("with TS set, what uses the floating-point unit is #NM, once: that clears it") {
    auto const use = [] { return trap_of([] { fnop(); }).vector; };
    auto const use_sse = [] { return trap_of([] { lib::use_sse(); }).vector; };
    CHECK_EQ(fpu_taskswitch(true), 0);
    CHECK((read_cr0() & kCr0Ts) != 0);
    CHECK_EQ(use(), kDeviceNotAvailable);
    CHECK((read_cr0() & kCr0Ts) == 0);
    CHECK_EQ(use(), kNoTrap);
    CHECK_EQ(fpu_taskswitch(true), 0);
    CHECK_EQ(use_sse(), kDeviceNotAvailable);
    CHECK_EQ(use_sse(), kNoTrap);
    CHECK_EQ(fpu_taskswitch(true), 0);
    CHECK_EQ(fpu_taskswitch(false), 0);
    CHECK_EQ(use(), kNoTrap);
    fninit();
}

TEST("CR2 is the address of the last page fault") {
    trap_of([] { touch(*reinterpret_cast<char volatile*>(0x1230)); });
    CHECK_EQ(read_cr2(), 0x1230);
}

TEST("CR3 is the machine address of the root") { CHECK_EQ(read_cr3(), root_table().address()); }

TEST("CR4 takes what a guest may have, and ignores the rest without a word") {
    std::uint64_t const cr4 = read_cr4();
    CHECK_EQ(cr4 & 0x20, 0x20); // PAE
    CHECK_EQ(cr4 & kCr4Smep, 0);
    CHECK(allowed([&] { write_cr4(cr4 | kCr4De | kCr4Smep | 0x80 | 0x10); })); // with PGE, PSE, as Linux once did
    CHECK_EQ(read_cr4() & (kCr4De | kCr4Smep), kCr4De);
    CHECK(allowed([&] { write_cr4(cr4); }));
    CHECK_EQ(read_cr4(), cr4);
}

TEST("CR4.TSD keeps the time stamp counter from user mode, not from the kernel") {
    use_user_mode();
    std::uint64_t const cr4 = read_cr4();
    CHECK_EQ(user_trap_of([] { rdtsc(); }).vector, kSystemCall);
    write_cr4(cr4 | kCr4Tsd);
    CHECK_EQ(user_trap_of([] { rdtsc(); }).vector, kGeneralProtection);
    CHECK(allowed([] { rdtsc(); }));
    write_cr4(cr4);
    CHECK_EQ(user_trap_of([] { rdtsc(); }).vector, kSystemCall);
}

TEST("CR4.FSGSBASE lets the bases be read and written without the hypervisor") {
    SKIP_UNLESS((xen_cpuid(7).ebx & 1) != 0, "the processor does not have it, or it is hidden");
    static std::uint64_t base;
    auto const read = [] { return trap_of([] { base = rdfsbase(); }).vector; };
    set_segment_base(SEGBASE_FS, 0x1234'5000);
    std::uint64_t const cr4 = read_cr4();
    write_cr4(cr4 & ~kCr4FsGsBase);
    CHECK_EQ(read(), kInvalidOpcode);
    write_cr4(cr4 | kCr4FsGsBase);
    CHECK_EQ(read(), kNoTrap);
    CHECK_EQ(base, 0x1234'5000);
    wrfsbase(0x2345'6000);
    CHECK_EQ(rdmsr(kFsBase), 0x2345'6000);
    write_cr4(cr4);
}
