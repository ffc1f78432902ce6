/// Returns by chance: frames of the iret hypercall with any selectors, flags and addresses.
#include "lib/instructions.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "lib/vcpu.hpp"
#include "sandbox.hpp"

using namespace lib;

TEST("irets to anywhere end in an exception of the guest") {
    Dice dice{0x17e7};
    use_user_mode();
    std::uint64_t const selectors[] = {0,      3,      8,      0x1b,   0x23,   0x33,   0xe008, 0xe00b,
                                       0xe010, 0xe013, 0xe018, 0xe023, 0xe028, 0xe02b, 0xe030, 0xe033,
                                       0xe038, 0xe03b, 0xe040, 0xe043, 0xfffb, 0xffff};
    for (unsigned i = 0; i < 3000; ++i) {
        std::uint64_t const cs = dice.once_in(3) ? (dice.once_in(2) ? 0xe033 : 0xe030) : dice.one_of(selectors);
        std::uint64_t const ss = dice.once_in(3) ? 0xe02b : dice.one_of(selectors);
        bool const to_user = (cs & 3) == 3;
        bool const to_32_bits = (cs | 3) == FLAT_USER_CS32; // QEMU itself dies of 32-bit code above 4 GiB
        std::uint64_t const addresses[] = {word(&at_ud2), word(&at_ud2), 0,          kUnmapped,
                                           kNotCanonical, kHypervisor,   dice.next()};
        std::uint64_t frame[9] = {
            dice.next(), dice.next(), dice.next(),
            dice.once_in(2)   ? 0
            : dice.once_in(2) ? 0x100
                              : dice.next(),
            dice.one_of(addresses) & (to_32_bits ? 0xffff'f000 : ~std::uint64_t{0}),
            cs | (dice.once_in(4) ? dice.next() << 16 : 0), dice.next(),
            // The kernel's own stack is where its exceptions come in: without one, the domain is done for.
            to_user ? dice.one_of(addresses) : this_vcpu().trap_stack_top() - 256, ss};
        Caught const trap = trap_of([&] { raw_iret(frame); });
        if (trap.vector == kNoTrap)
            return fail(__FILE_NAME__, __LINE__, "a trap");
        if (trap.handler_cs != FLAT_KERNEL_CS)
            return fail(__FILE_NAME__, __LINE__, "trap.handler_cs == FLAT_KERNEL_CS");
    }
    check_sanity();
}

TEST("system calls and exceptions from user mode with any registers") {
    Dice dice{0x5ca11};
    use_user_mode();
    for (unsigned i = 0; i < 1000; ++i) {
        Trap user{};
        for (std::uint64_t* one :
             {&user.rax, &user.rbx, &user.rcx, &user.rdx, &user.rsi, &user.rdi, &user.rbp, &user.r8, &user.r9,
              &user.r10, &user.r11, &user.r12, &user.r13, &user.r14, &user.r15})
            *one = sandbox().number(dice);
        user.rip = word(dice.once_in(2) ? &at_syscall : &at_ud2);
        user.cs = FLAT_USER_CS;
        user.ss = FLAT_USER_SS;
        user.rflags = dice.next() & ~std::uint64_t{kTrapFlag};
        user.rsp = sandbox().address(dice);
        Trap const wanted = user;
        Caught const trap = trap_of([&] { leave_trap(&user); });
        if (!trap.from_user_mode() || trap.rax != wanted.rax || trap.r15 != wanted.r15)
            return fail(__FILE_NAME__, __LINE__, "the registers that user mode had", trap.rax, wanted.rax);
    }
    check_sanity();
}

TEST("segment bases and model-specific registers of any value") {
    Dice dice{0xba5e};
    for (unsigned i = 0; i < 2000; ++i) {
        std::uint64_t const value = sandbox().number(dice);
        trap_of([&] { wrmsr(static_cast<std::uint32_t>(0xc000'0080 + dice.below(0x90)), value); });
        trap_of([&] { rdmsr(static_cast<std::uint32_t>(dice.next())); });
        set_segment_base(static_cast<unsigned>(dice.below(5)), value);
    }
    set_segment_base(SEGBASE_FS, 0);
    set_segment_base(SEGBASE_GS_USER_SEL, 0);
    check_sanity();
}
