/// The frame that the hypervisor leaves on the kernel's stack, and the state in which the handler begins (docs/abi.md
/// §4.5).
#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr std::uint64_t kWords = 8;

/// UD2 with these bits of RFLAGS set.
Caught trap_with(std::uint64_t flags) {
    return trap_of([&] { asm volatile("pushf\n\tor %0, (%%rsp)\n\tpopf\n\tud2" : : "r"(flags) : "memory"); });
}

} // namespace

TEST("a frame begins below the kernel's stack pointer, aligned to 16 bytes first") {
    for (unsigned const misaligned : {0U, 1U, 8U, 15U}) {
        auto const below = [&](auto instruction) {
            return trap_of([&] {
                asm volatile("sub %0, %%rsp" : : "r"(std::uint64_t{64 + misaligned}));
                instruction();
            });
        };
        Caught const plain = below([] { asm volatile("ud2"); });
        CHECK_EQ(plain.vector, kInvalidOpcode);
        CHECK_EQ(plain.frame, plain.rsp / 16 * 16 - 7 * kWords);
        Caught const with_error = below([] { asm volatile("mov %0, %%ds" : : "r"(0x1b)); });
        CHECK_EQ(with_error.vector, kGeneralProtection);
        CHECK_EQ(with_error.frame, with_error.rsp / 16 * 16 - 8 * kWords);
    }
}

TEST("what was interrupted in the kernel has a code selector of privilege 0, though it ran in ring 3") {
    Caught const trap = trap_of([] { asm volatile("ud2"); });
    CHECK_EQ(trap.cs & 0xffff, FLAT_KERNEL_CS & ~3);
    CHECK_EQ(trap.ss & 0xffff, FLAT_KERNEL_SS);
    CHECK(!trap.from_user_mode());
}

TEST("the handler runs on the kernel's flat segments") {
    Caught const trap = trap_of([] { asm volatile("ud2"); });
    CHECK_EQ(trap.handler_cs, FLAT_KERNEL_CS);
    CHECK_EQ(trap.handler_ss, FLAT_KERNEL_SS);
}

TEST("every register comes as it was, rcx and r11 by way of the frame") {
    Caught const trap = trap_of([] {
        asm volatile("mov $1, %rax\n\tmov $2, %rbx\n\tmov $3, %rcx\n\tmov $4, %rdx\n\tmov $5, %rsi\n\tmov $6, %rdi\n\t"
                     "mov $7, %rbp\n\tmov $8, %r8\n\tmov $9, %r9\n\tmov $10, %r10\n\tmov $11, %r11\n\tmov $12, %r12\n\t"
                     "mov $13, %r13\n\tmov $14, %r14\n\tmov $15, %r15\n\tud2");
    });
    std::uint64_t const registers[] = {trap.rax, trap.rbx, trap.rcx, trap.rdx, trap.rsi, trap.rdi, trap.rbp, trap.r8,
                                       trap.r9,  trap.r10, trap.r11, trap.r12, trap.r13, trap.r14, trap.r15};
    for (unsigned i = 0; i < 15; ++i)
        CHECK_EQ(registers[i], i + 1);
}

TEST("the frame's interrupt flag is the upcall mask, turned round; the mask itself lies above CS") {
    Caught const masked = trap_of([] { asm volatile("ud2"); });
    CHECK(masked.events_were_masked());
    CHECK((masked.rflags & kInterruptFlag) == 0);
    EventsIn const in;
    Caught const open = trap_of([] { asm volatile("ud2"); });
    CHECK(!open.events_were_masked());
    CHECK((open.rflags & kInterruptFlag) != 0);
}

TEST("the real interrupt flag stays set, and POPF cannot clear it") {
    CHECK((trap_of([] { asm volatile("ud2"); }).handler_rflags & kInterruptFlag) != 0);
    write_rflags(read_rflags() & ~std::uint64_t{kInterruptFlag});
    CHECK((read_rflags() & kInterruptFlag) != 0);
}

TEST("the handler begins without AC, NT and RF; the frame has kept AC and NT") {
    for (std::uint64_t const flag : {kAlignmentFlag, kNestedTask}) {
        Caught const trap = trap_with(flag);
        CHECK_EQ(trap.vector, kInvalidOpcode);
        CHECK((trap.rflags & flag) != 0);
        CHECK((trap.handler_rflags & (kAlignmentFlag | kNestedTask | kResumeFlag | kVirtual8086)) == 0);
    }
}

TEST("the direction flag comes as it was: a handler clears it itself") {
    Caught const trap = trap_with(kDirectionFlag);
    CHECK((trap.rflags & kDirectionFlag) != 0);
    CHECK((trap.handler_rflags & kDirectionFlag) != 0);
}

TEST("the kernel's privilege over ports is not in the frame") {
    physdev_set_iopl_t request{.iopl = 1};
    CHECK_EQ(physdev(PHYSDEVOP_set_iopl, &request), 0);
    CHECK((trap_of([] { asm volatile("ud2"); }).rflags & kIoPrivilege) == 0);
}

TEST("an exception masks events only if its entry in the trap table says so") {
    EventsIn const in;
    CHECK(!trap_of([] { asm volatile("ud2"); }).events_masked);
    trap_info_t table[2] = {trap_table()[kInvalidOpcode], {}};
    table[0].flags |= 4;
    CHECK_EQ(set_trap_table(table), 0);
    Caught const trap = trap_of([] { asm volatile("ud2"); });
    CHECK(trap.events_masked);
    CHECK(!trap.events_were_masked());
    CHECK_EQ(this_vcpu().info->evtchn_upcall_mask, 0); // the iret has let them in again
    set_trap_table(trap_table());
}

TEST("the iret hypercall to the kernel sets every register and the stack pointer") {
    // UD2 traps; the handler changes what is to go on after it.
    Handler const before = set_handler([](Trap& trap) {
        trap.rip += 2;
        trap.rax = 0xa1, trap.rbx = 0xb2, trap.rcx = 0xc3, trap.rdx = 0xd4, trap.r8 = 0xe5, trap.r11 = 0xf6;
        return true;
    });
    std::uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0;
    register std::uint64_t r8 asm("r8") = 0;
    register std::uint64_t r11 asm("r11") = 0;
    asm volatile("ud2" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+r"(r8), "+r"(r11));
    set_handler(before);
    CHECK_EQ(rax, 0xa1);
    CHECK_EQ(rbx, 0xb2);
    CHECK_EQ(rcx, 0xc3);
    CHECK_EQ(rdx, 0xd4);
    CHECK_EQ(r8, 0xe5);
    CHECK_EQ(r11, 0xf6);
}

TEST("the iret hypercall makes the interrupt flag the upcall mask, and gives no privilege over ports nor VM86") {
    auto const flags_after = [](std::uint64_t flags) {
        Trap trap{};
        static std::uint64_t seen;
        trap.rip = word(+[] {
            seen = read_rflags() | std::uint64_t{this_vcpu().info->evtchn_upcall_mask} << 32;
            asm volatile("ud2");
        });
        trap.cs = FLAT_KERNEL_CS & ~3;
        trap.ss = FLAT_KERNEL_SS;
        trap.rsp = this_vcpu().trap_stack_top() - 8;
        trap.rflags = flags;
        CHECK_EQ(trap_of([&] { leave_trap(&trap); }).vector, kInvalidOpcode);
        return seen;
    };
    std::uint64_t const masked = flags_after(kIoPrivilege | kVirtual8086 | kAlignmentFlag);
    CHECK_EQ(masked >> 32, 1);
    CHECK((masked & kInterruptFlag) != 0);
    CHECK((masked & (kIoPrivilege | kVirtual8086)) == 0);
    CHECK((masked & kAlignmentFlag) != 0);
    CHECK_EQ(flags_after(kInterruptFlag) >> 32, 0);
    keep_events_out();
}
