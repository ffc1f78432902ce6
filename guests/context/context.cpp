/// What a vCPU keeps while others run in its place: registers that the hypervisor itself does not use, and those that it
/// does (docs/abi.md §4.5, §8.7). Where the domain has two vCPUs, the other one spoils all that it can meanwhile.
#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "lib/vcpu.hpp"
#include "lib/vectors.hpp"

using namespace lib;

namespace {

constexpr std::uint32_t kFsBase = 0xc000'0100, kGsBase = 0xc000'0101, kKernelGsBase = 0xc000'0102;
constexpr std::uint64_t kCr4De = 8, kCr4Osxsave = 1 << 18;

bool has_avx() { return (xen_cpuid(1).ecx & 1 << 28) != 0 && (xen_cpuid(0xd).eax & 4) != 0; }

void enable_avx() {
    write_cr4(read_cr4() | kCr4Osxsave);
    xsetbv(0, 7);
}

/// Everything that this file looks at, with other values.
void spoil_everything() {
    static Vectors rubbish; // of one vCPU only
    rubbish.fill(0xbad);
    if (has_avx()) {
        enable_avx();
        load_ymm(rubbish);
    } else {
        load_xmm(rubbish);
    }
    fninit();
    push_log2_e();
    set_x87_control(0x27f);
    set_mxcsr(0x3f80);
    write_ds(FLAT_KERNEL_SS);
    write_es(FLAT_KERNEL_SS);
    write_fs(FLAT_KERNEL_SS);
    write_gs(FLAT_KERNEL_SS);
    set_segment_base(SEGBASE_FS, 0xbad'1000);
    set_segment_base(SEGBASE_GS_KERNEL, 0xbad'2000);
    set_segment_base(SEGBASE_GS_USER, 0xbad'3000);
    set_debugreg(0, 0xbad'4000);
    set_debugreg(3, 0xbad'5000);
    set_debugreg(7, 0x2);
    write_cr4(read_cr4() | kCr4De);
    stack_switch(FLAT_KERNEL_SS, this_vcpu().trap_stack_top() - 256);
}

/// Lets others run: the other vCPU if there is one, on one CPU or several; nobody for a moment, if not.
void switch_away() {
    static bool volatile stop; // it spoils what it has after each of our turns, again and again
    if (vcpus() > 1) {
        stop = false;
        auto spoil = [] {
            while (!stop) {
                spoil_everything();
                sched_op(SCHEDOP_yield);
            }
        };
        start_on(1, spoil);
    }
    for (unsigned i = 0; i < 10; ++i)
        poll(nullptr, 0, now() + kMillisecond);
    for (unsigned i = 0; i < 200; ++i)
        sched_op(SCHEDOP_yield);
    if (vcpus() > 1) {
        stop = true;
        wait_for(1);
    }
}

} // namespace

TEST("a vCPU begins with its floating-point unit as after FNINIT, SSE's defaults, and TS clear") {
    struct Seen {
        std::uint16_t control;
        std::uint32_t mxcsr;
        std::uint64_t cr0;
    };
    auto const look = [](Seen& seen) { seen = {x87_control(), mxcsr(), read_cr0()}; };
    Seen seen[2] = {{0x37f, 0x1f80, 0}, {0x37f, 0x1f80, 0}};
    look(seen[0]);
    if (vcpus() > 1)
        run_on(1, [&] { look(seen[1]); });
    for (Seen const& one : seen) {
        CHECK_EQ(one.control, 0x37f);
        CHECK_EQ(one.mxcsr, 0x1f80);
        CHECK_EQ(one.cr0 & 8, 0);
    }
}

TEST("the vector registers of SSE, and MXCSR") {
    Vectors before, after;
    before.fill(1);
    set_mxcsr(0x1f80 | 0x6000); // rounds toward zero
    load_xmm(before);
    switch_away();
    store_xmm(after);
    std::uint32_t const kept = mxcsr();
    set_mxcsr(0x1f80);
    for (unsigned i = 0; i < 16; ++i)
        for (unsigned half = 0; half < 2; ++half)
            CHECK_EQ(after.words[i][half], before.words[i][half]);
    CHECK_EQ(kept & ~0x3fU, 0x1f80 | 0x6000);
}

TEST("the vector registers of AVX, and XCR0") {
    SKIP_UNLESS(has_avx(), "the processor has no AVX");
    Vectors before, after;
    before.fill(2);
    enable_avx();
    load_ymm(before);
    switch_away();
    store_ymm(after);
    for (unsigned i = 0; i < 16; ++i)
        for (unsigned quarter = 0; quarter < 4; ++quarter)
            CHECK_EQ(after.words[i][quarter], before.words[i][quarter]);
    CHECK_EQ(xgetbv(0), 7);
    xsetbv(0, 3);
    if (vcpus() > 1) {
        switch_away();
        CHECK_EQ(xgetbv(0), 3); // the other one has 7
    }
}

TEST("the floating-point stack and its control word") {
    fninit();
    set_x87_control(0xf7f);
    push_one();
    push_log2_e();
    switch_away();
    CHECK_EQ(x87_control(), 0xf7f);
    CHECK_EQ(pop_double(), 0x3ff7'1547'652b'82fe);
    CHECK_EQ(pop_double(), 0x3ff0'0000'0000'0000);
    fninit();
}

TEST("the bases of FS and GS, the active one and user mode's") {
    set_segment_base(SEGBASE_FS, 0x1111'0000);
    set_segment_base(SEGBASE_GS_KERNEL, 0xffff'8880'1234'5000);
    set_segment_base(SEGBASE_GS_USER, 0x7fff'1234'5000);
    switch_away();
    CHECK_EQ(rdmsr(kFsBase), 0x1111'0000);
    CHECK_EQ(rdmsr(kGsBase), 0xffff'8880'1234'5000);
    CHECK_EQ(rdmsr(kKernelGsBase), 0x7fff'1234'5000);
}

TEST("the data selectors") {
    write_ds(FLAT_USER_DS32);
    write_es(0);
    write_fs(FLAT_USER_DS32);
    write_gs(0);
    switch_away();
    CHECK_EQ(read_ds(), FLAT_USER_DS32);
    CHECK_EQ(read_es(), 0);
    CHECK_EQ(read_fs(), FLAT_USER_DS32);
    CHECK_EQ(read_gs(), 0);
    write_ds(0);
    write_fs(0);
}

TEST("bases that are none of their selectors': user mode's in GS while the base is the kernel's") {
    set_segment_base(SEGBASE_GS_KERNEL, 0xffff'8880'1234'5000);
    set_segment_base(SEGBASE_GS_USER_SEL, FLAT_USER_DS32);
    set_segment_base(SEGBASE_GS_USER, 0x7fff'1234'5000);
    write_fs(FLAT_USER_DS32);
    set_segment_base(SEGBASE_FS, 0x1111'0000);
    switch_away();
    CHECK_EQ(rdmsr(kGsBase), 0xffff'8880'1234'5000);
    CHECK_EQ(rdmsr(kKernelGsBase), 0x7fff'1234'5000);
    CHECK_EQ(read_fs(), FLAT_USER_DS32);
    CHECK_EQ(rdmsr(kFsBase), 0x1111'0000);
    set_segment_base(SEGBASE_GS_USER_SEL, 0);
    write_fs(0);
}

TEST("a base that a selector of the guest's own GDT brought along") {
    Page const table = fresh_page();
    table[3] = 0x12cf'f334'5600'ffff; // a data segment at 0x12345600
    table.make_read_only();
    std::uint64_t const frame = table.frame().raw();
    CHECK_EQ(set_gdt(&frame, 512), 0);
    write_fs(0x1b);
    switch_away();
    CHECK_EQ(read_fs(), 0x1b);
    CHECK_EQ(rdmsr(kFsBase), 0x1234'5600);
    write_fs(0);
    CHECK_EQ(set_gdt(nullptr, 0), 0);
}

TEST("a selector of an LDT, which each vCPU has for itself") {
    Page const table = fresh_page();
    table[2] = 0x23cf'f345'6700'ffff; // a data segment at 0x23456700
    table.make_read_only();
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, table.va(), 512), 0);
    write_fs(0x17);
    switch_away();
    CHECK_EQ(rdmsr(kFsBase), 0x2345'6700);
    write_fs(0);
    write_fs(0x17); // and it can be loaded again
    CHECK_EQ(rdmsr(kFsBase), 0x2345'6700);
    write_fs(0);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
}

TEST("the debug registers; a breakpoint still hits") {
    static std::uint64_t volatile watched;
    set_debugreg(0, word(&watched));
    set_debugreg(1, 0x1111);
    set_debugreg(2, 0x2222);
    set_debugreg(3, 0x3333);
    set_debugreg(7, 0x2 | 1 << 16 | 3 << 18); // a write of the watched word
    switch_away();
    CHECK_EQ(get_debugreg(0), word(&watched));
    CHECK_EQ(get_debugreg(1), 0x1111);
    CHECK_EQ(get_debugreg(2), 0x2222);
    CHECK_EQ(get_debugreg(3), 0x3333);
    CHECK_EQ(trap_of([] { watched = 1; }).vector, kDebug);
    for (unsigned const index : {7U, 6U, 3U, 2U, 1U, 0U})
        set_debugreg(index, 0);
    switch_away();
    CHECK_EQ(trap_of([] { watched = 2; }).vector, kNoTrap); // the other one's are not ours
}

TEST("the virtual CR4") {
    std::uint64_t const cr4 = read_cr4();
    write_cr4(cr4 & ~kCr4De);
    switch_away();
    CHECK_EQ(read_cr4() & kCr4De, 0);
    write_cr4(cr4);
}

TEST("the stack of the kernel, and the bases while user mode runs") {
    use_user_mode();
    set_segment_base(SEGBASE_GS_KERNEL, 0x4444'0000);
    set_segment_base(SEGBASE_GS_USER, 0x5555'0000);
    switch_away();
    Caught const trap = user_trap_of([] { read_by_gs(0); });
    CHECK_EQ(trap.fault_address, 0x5555'0000);
    CHECK_EQ(trap.frame, this_vcpu().trap_stack_top() - 8 * 8);
    CHECK_EQ(rdmsr(kGsBase), 0x4444'0000);
}

TEST("TS, if it was set; and #NM comes to the one who set it") {
    fpu_taskswitch(true);
    switch_away();
    CHECK((read_cr0() & 8) != 0);
    CHECK_EQ(trap_of([] { fnop(); }).vector, kDeviceNotAvailable);
    fpu_taskswitch(false);
}

TEST("the general registers and the flags, over many switches") {
    constexpr std::uint64_t kCarry = 1;
    for (std::uint64_t i = 0; i < 300; ++i) {
        Trap start = kernel_at(at_syscall); // a hypercall, since it is the kernel's
        start.rax = __HYPERVISOR_sched_op;
        start.rdi = SCHEDOP_yield;
        start.rflags |= kCarry;
        std::uint64_t* const kept[] = {&start.rbx, &start.rbp, &start.r9, &start.r12,
                                       &start.r13, &start.r14, &start.r15};
        for (unsigned which = 0; which < 7; ++which)
            *kept[which] = i << 8 | which;
        Caught const trap = trap_from(start);
        std::uint64_t const seen[] = {trap.rbx, trap.rbp, trap.r9, trap.r12, trap.r13, trap.r14, trap.r15};
        for (unsigned which = 0; which < 7; ++which)
            CHECK_EQ(seen[which], i << 8 | which);
        CHECK_EQ(trap.vector, kInvalidOpcode); // the UD2 behind it
        CHECK_EQ(trap.rax, 0);
        CHECK_EQ(trap.rflags & kCarry, kCarry);
    }
}
