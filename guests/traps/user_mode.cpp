/// User mode: how it is entered, and how its exceptions and system calls come in (docs/abi.md §4.5). Both modes run in
/// ring 3; the hypervisor keeps which one it is.
#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"

using namespace lib;

namespace {

constexpr std::uint64_t kWords = 8;

std::uint8_t byte_at(std::uint64_t address) { return *reinterpret_cast<std::uint8_t const*>(address); }

bool made_by_amd() { return cpuid(0).ebx == 0x68747541; } // "Auth"

} // namespace

TEST("a kernel may let one L4 serve both modes") {
    CHECK_EQ(new_user_root(root_table().frame()), 0);
    use_user_mode();
}

TEST("SYSCALL in user mode comes to the callback: rcx is where it was, r11 its flags, the rest untouched") {
    Trap start = user_at(at_syscall);
    std::uint64_t* const registers[] = {&start.rdi, &start.rsi, &start.rdx, &start.r10, &start.r8,  &start.r9,
                                        &start.rbx, &start.rbp, &start.r12, &start.r13, &start.r14, &start.r15};
    for (unsigned i = 0; i < 12; ++i)
        *registers[i] = i + 1;
    start.rax = __HYPERVISOR_xen_version; // only a number here
    Caught const trap = trap_from(start);
    CHECK_EQ(trap.vector, kSystemCall);
    CHECK_EQ(trap.rip, word(&at_syscall) + 2);
    CHECK_EQ(trap.rcx, trap.rip);
    CHECK_EQ(trap.r11 | kInterruptFlag, trap.rflags | kInterruptFlag);
    std::uint64_t const seen[] = {trap.rdi, trap.rsi, trap.rdx, trap.r10, trap.r8,  trap.r9,
                                  trap.rbx, trap.rbp, trap.r12, trap.r13, trap.r14, trap.r15};
    for (unsigned i = 0; i < 12; ++i)
        CHECK_EQ(seen[i], i + 1);
    CHECK_EQ(trap.rax, __HYPERVISOR_xen_version);
    CHECK_EQ(trap.rsp, start.rsp);
}

TEST("the frame of a system call lies at the top of the kernel's stack, with flat segments in it") {
    Caught const trap = user_trap_of([] {});
    CHECK_EQ(trap.vector, kSystemCall);
    CHECK_EQ(trap.frame, this_vcpu().trap_stack_top() - 7 * kWords);
    CHECK_EQ(trap.cs & 0xffff, FLAT_USER_CS);
    CHECK_EQ(trap.ss & 0xffff, FLAT_USER_SS);
    CHECK_EQ(trap.handler_cs, FLAT_KERNEL_CS);
    CHECK_EQ(trap.handler_ss, FLAT_KERNEL_SS);
}

TEST("a system call masks events if the callback was registered so") {
    Caught const masking = user_trap_of([] {});
    CHECK(masking.events_masked);
    CHECK(!masking.events_were_masked());
    CHECK((masking.rflags & kInterruptFlag) != 0);
    callback_register_t callback{.type = CALLBACKTYPE_syscall, .flags = 0, .address = door(kSystemCall)};
    CHECK_EQ(callback_op(CALLBACKOP_register, &callback), 0);
    CHECK(!user_trap_of([] {}).events_masked);
    callback.flags = CALLBACKF_mask_events;
    CHECK_EQ(callback_op(CALLBACKOP_register, &callback), 0);
}

TEST("an exception in user mode has a code selector of privilege 3, and comes in on the kernel's stack") {
    Caught const trap = user_trap_of([] { ud2(); });
    CHECK_EQ(trap.vector, kInvalidOpcode);
    CHECK(trap.from_user_mode());
    CHECK_EQ(trap.cs & 0xffff, FLAT_USER_CS);
    CHECK_EQ(trap.frame, this_vcpu().trap_stack_top() - 7 * kWords);
    Caught const with_error = user_trap_of([] { write_ds(0x1b); });
    CHECK_EQ(with_error.vector, kGeneralProtection);
    CHECK_EQ(with_error.frame, this_vcpu().trap_stack_top() - 8 * kWords);
}

TEST("stack_switch says where that stack is; a frame aligns it to 16 bytes") {
    std::uint64_t const top = this_vcpu().trap_stack_top() - 1024;
    for (unsigned const offset : {0U, 1U, 9U}) {
        CHECK_EQ(stack_switch(FLAT_KERNEL_SS, top + offset), 0);
        CHECK_EQ(user_trap_of([] {}).frame, top + offset / 16 * 16 - 7 * kWords);
    }
    CHECK_EQ(stack_switch(0, this_vcpu().trap_stack_top()), 0); // a selector is made one of privilege 3
    CHECK_EQ(user_trap_of([] {}).vector, kSystemCall);
    use_user_mode();
}

TEST("a page fault of user mode has the user bit") {
    Window const window = make_window(Half::user);
    Page const page = fresh_page();
    auto const read = [&] { return user_trap_of([&] { touch(window.at(0, 8)); }); };
    auto const write = [&] { return user_trap_of([&] { window.at(0, 8) = 1; }); };
    CHECK_EQ(read().vector, kPageFault);
    CHECK_EQ(read().fault_address, window.va(0) + 8);
    CHECK_EQ(read().error_code, kFaultUser);
    CHECK_EQ(write().error_code, kFaultUser | kFaultWrite);
    CHECK_EQ(window.set(0, entry(page.frame(), kReadOnly)), 0);
    CHECK_EQ(read().vector, kSystemCall);
    CHECK_EQ(write().error_code, kFaultPresent | kFaultUser | kFaultWrite);
}

TEST("INT n in user mode needs a trap of privilege 3: otherwise #GP, with the vector, at the instruction") {
    Caught const open = user_trap_of([] { software_interrupt<0x80>(); });
    CHECK_EQ(open.vector, 0x80);
    CHECK_EQ(byte_at(open.rip - 2), 0xcd);
    CHECK_EQ(user_trap_of([] { int3(); }).vector, kBreakpoint);
    Caught const closed = user_trap_of([] { software_interrupt<0x81>(); });
    CHECK_EQ(closed.vector, kGeneralProtection);
    CHECK_EQ(closed.error_code, 0x81 * 8 + 2);
    CHECK_EQ(byte_at(closed.rip), 0xcd);
}

TEST("the privilege of INT n is what the trap table says at the time") {
    trap_info_t table[2] = {trap_table()[0x81], {}};
    table[0].flags = 3;
    CHECK_EQ(set_trap_table(table), 0);
    CHECK_EQ(user_trap_of([] { software_interrupt<0x81>(); }).vector, 0x81);
    set_trap_table(trap_table());
    CHECK_EQ(user_trap_of([] { software_interrupt<0x81>(); }).vector, kGeneralProtection);
}

TEST("the trap flag works in user mode") {
    Caught const trap = user_trap_of([] {}, kInterruptFlag | kTrapFlag);
    CHECK_EQ(trap.vector, kDebug);
    CHECK(trap.from_user_mode());
}

TEST("privileged instructions in user mode are refused, though the kernel's are emulated") {
    Caught const msr = user_trap_of([] { rdmsr(0xc000'0080); });
    CHECK_EQ(msr.vector, kGeneralProtection);
    CHECK_EQ(msr.error_code, 0);
    CHECK(msr.from_user_mode());
    CHECK_EQ(user_trap_of([] { hlt(); }).vector, kGeneralProtection);
    CHECK_EQ(user_trap_of([] { (void)read_cr0(); }).vector, kGeneralProtection);
}

TEST("user mode sees the hypervisor's cpuid as the kernel does") {
    std::uint32_t ebx = 0;
    CHECK_EQ(user_trap_of([&] { ebx = xen_cpuid(0x4000'0000).ebx; }).vector, kSystemCall);
    CHECK_EQ(ebx, 0x566e'6558); // "XenV"
}

TEST("entering user mode swaps the bases of GS, and leaving it swaps them back") {
    CHECK_EQ(set_segment_base(SEGBASE_GS_KERNEL, 0x1000), 0);
    CHECK_EQ(set_segment_base(SEGBASE_GS_USER, 0x2000), 0);
    // Where GS leads is seen by what it faults on.
    Caught const trap = user_trap_of([] { read_by_gs(8); });
    CHECK_EQ(trap.vector, kPageFault);
    CHECK_EQ(trap.fault_address, 0x2008);
    Caught const kernel = trap_of([] { read_by_gs(8); });
    CHECK_EQ(kernel.fault_address, 0x1008);
}

TEST("SYSCALL of 32-bit user mode comes to its own callback on AMD's processors; Intel's do not have it") {
    callback_register_t const callback{
        .type = CALLBACKTYPE_syscall32, .flags = CALLBACKF_mask_events, .address = door(kSystemCall32)};
    CHECK_EQ(callback_op(CALLBACKOP_register, &callback), 0);
    Window const window = make_window_at(0);
    Page const code = fresh_page();
    *reinterpret_cast<std::uint16_t*>(code.va()) = 0x050f; // SYSCALL
    CHECK_EQ(window.set(16, entry(code.frame(), kReadOnly)), 0);
    Trap user{};
    user.rip = window.va(16);
    user.rsp = window.va(17);
    user.cs = FLAT_USER_CS32;
    user.ss = FLAT_USER_SS32;
    user.rflags = kInterruptFlag;
    Caught const trap = trap_of([&] { leave_trap(&user); });
    CHECK_EQ(trap.vector, made_by_amd() ? kSystemCall32 : kInvalidOpcode);
    CHECK_EQ(trap.cs & 0xffff, FLAT_USER_CS32);
    CHECK_EQ(trap.rip, window.va(16) + (made_by_amd() ? 2 : 0));
    CHECK(trap.from_user_mode());
}

TEST("SYSENTER of user mode comes to its own callback on Intel's processors, which does not say from where") {
    callback_register_t const callback{
        .type = CALLBACKTYPE_sysenter, .flags = CALLBACKF_mask_events, .address = door(kSysenter)};
    CHECK_EQ(callback_op(CALLBACKOP_register, &callback), 0);
    // (Xen 4.17.7 passes this on every CPU but the first, where under QEMU it faults itself.)
    Caught const trap = user_trap_of([] { sysenter(); });
    CHECK(trap.from_user_mode());
    if (made_by_amd()) { // in 64-bit mode, they do not have it
        CHECK(trap.vector == kInvalidOpcode || trap.vector == kGeneralProtection);
        return;
    }
    CHECK_EQ(trap.vector, kSysenter);
    CHECK_EQ(trap.rip, 0);
    CHECK_EQ(trap.rsp, 0);
    CHECK(trap.events_masked);
    CHECK((trap.rflags & kInterruptFlag) != 0);
}
