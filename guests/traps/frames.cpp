/// The frame that the hypervisor leaves on the kernel's stack, and the state in which the handler begins (docs/abi.md
/// §4.5).
#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr std::uint64_t kWords = 8;

/// UD2 with these flags.
Caught trap_with(std::uint64_t flags) {
    Trap start = kernel_at(at_ud2);
    start.rflags |= flags;
    return trap_from(start);
}

} // namespace

TEST("a frame begins below the kernel's stack pointer, aligned to 16 bytes first") {
    for (unsigned const misaligned : {0U, 1U, 8U, 15U}) {
        Trap start = kernel_at(at_ud2);
        start.rsp += misaligned;
        Caught const plain = trap_from(start);
        CHECK_EQ(plain.vector, kInvalidOpcode);
        CHECK_EQ(plain.rsp, start.rsp);
        CHECK_EQ(plain.frame, start.rsp / 16 * 16 - 7 * kWords);
        start.rip = word(&at_load_ds);
        start.rax = 0x1b;
        Caught const with_error = trap_from(start);
        CHECK_EQ(with_error.vector, kGeneralProtection);
        CHECK_EQ(with_error.frame, start.rsp / 16 * 16 - 8 * kWords);
    }
}

TEST("what was interrupted in the kernel has a code selector of privilege 0, though it ran in ring 3") {
    Caught const trap = trap_of([] { ud2(); });
    CHECK_EQ(trap.cs & 0xffff, FLAT_KERNEL_CS & ~3);
    CHECK_EQ(trap.ss & 0xffff, FLAT_KERNEL_SS);
    CHECK(!trap.from_user_mode());
}

TEST("the handler runs on the kernel's flat segments") {
    Caught const trap = trap_of([] { ud2(); });
    CHECK_EQ(trap.handler_cs, FLAT_KERNEL_CS);
    CHECK_EQ(trap.handler_ss, FLAT_KERNEL_SS);
}

TEST("every register goes out through the iret hypercall and comes back as it was, rcx and r11 by way of the frame") {
    Trap start = kernel_at(at_ud2);
    auto const registers_of = [](Trap& trap) { return &trap.r15; }; // r15 first, rax last
    for (unsigned i = 0; i < 15; ++i)
        registers_of(start)[i] = 0x1111'2222'3333'0000 + i;
    Caught trap = trap_from(start);
    for (unsigned i = 0; i < 15; ++i)
        CHECK_EQ(registers_of(trap)[i], 0x1111'2222'3333'0000 + i);
}

TEST("the frame's interrupt flag is the upcall mask, turned round; the mask itself lies above CS") {
    Caught const masked = trap_of([] { ud2(); });
    CHECK(masked.events_were_masked());
    CHECK((masked.rflags & kInterruptFlag) == 0);
    EventsIn const in;
    Caught const open = trap_of([] { ud2(); });
    CHECK(!open.events_were_masked());
    CHECK((open.rflags & kInterruptFlag) != 0);
}

TEST("the real interrupt flag stays set, and POPF cannot clear it") {
    CHECK((trap_of([] { ud2(); }).handler_rflags & kInterruptFlag) != 0);
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
    CHECK((trap_of([] { ud2(); }).rflags & kIoPrivilege) == 0);
}

TEST("with architectural_iopl it is, and the iret hypercall takes it from there") {
    physdev_set_iopl_t request{.iopl = 1};
    CHECK_EQ(physdev(PHYSDEVOP_set_iopl, &request), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0);
    CHECK_EQ(trap_of([] { ud2(); }).rflags & kIoPrivilege, 0x1000);
    Trap start = kernel_at(+[] { ud2(); });
    start.rsp -= 8; // as a call would leave it
    start.rflags = kIoPrivilege;
    CHECK_EQ(trap_from(start).rflags & kIoPrivilege, kIoPrivilege);
    CHECK_EQ(vm_assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0);
    CHECK_EQ(trap_of([] { ud2(); }).rflags & kIoPrivilege, 0);
    CHECK_EQ(physdev(PHYSDEVOP_set_iopl, &request), 0);
}

TEST("an exception masks events only if its entry in the trap table says so") {
    EventsIn const in;
    CHECK(!trap_of([] { ud2(); }).events_masked);
    trap_info_t table[2] = {trap_table()[kInvalidOpcode], {}};
    table[0].flags |= 4;
    CHECK_EQ(set_trap_table(table), 0);
    Caught const trap = trap_of([] { ud2(); });
    CHECK(trap.events_masked);
    CHECK(!trap.events_were_masked());
    CHECK_EQ(this_vcpu().info->evtchn_upcall_mask, 0); // the iret has let them in again
    set_trap_table(trap_table());
}

TEST("the iret hypercall makes the interrupt flag the upcall mask, and gives no privilege over ports nor VM86") {
    auto const flags_after = [](std::uint64_t flags) {
        static std::uint64_t seen;
        Trap start = kernel_at(+[] {
            seen = read_rflags() | std::uint64_t{this_vcpu().info->evtchn_upcall_mask} << 32;
            ud2();
        });
        start.rsp -= 8; // as a call would leave it
        start.rflags = flags;
        CHECK_EQ(trap_from(start).vector, kInvalidOpcode);
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
