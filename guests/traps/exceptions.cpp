/// Each exception that the processor or an instruction can raise in the kernel: its vector, its error code, and where it
/// says that it happened (docs/abi.md §4.1).
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "lib/vectors.hpp"

using namespace lib;

namespace {

std::uint8_t byte_at(std::uint64_t address) { return *reinterpret_cast<std::uint8_t const*>(address); }

/// A descriptor of a data segment, writable, of privilege 3, but not present.
constexpr std::uint64_t kAbsentData = 0x00cf'7300'0000'ffff & ~(std::uint64_t{1} << 47);

} // namespace

TEST("a division by zero: #DE, at the instruction") {
    Caught const trap = trap_of([] { divide_by_zero(); });
    CHECK_EQ(trap.vector, kDivideError);
    CHECK_EQ(byte_at(trap.rip), 0xf7);
}

TEST("INT3, INT 3 and INT 4: #BP and #OF, after the instruction") {
    Caught const short_form = trap_of([] { int3(); });
    CHECK_EQ(short_form.vector, kBreakpoint);
    CHECK_EQ(byte_at(short_form.rip - 1), 0xcc);
    Caught const long_form = trap_of([] { int3_long(); });
    CHECK_EQ(long_form.vector, kBreakpoint);
    CHECK_EQ(byte_at(long_form.rip - 2), 0xcd);
    Caught const overflow = trap_of([] { software_interrupt<4>(); });
    CHECK_EQ(overflow.vector, kOverflow);
    CHECK_EQ(byte_at(overflow.rip - 2), 0xcd);
}

TEST("INT1: #DB, after the instruction") {
    Caught const trap = trap_of([] { int1(); });
    CHECK_EQ(trap.vector, kDebug);
    CHECK_EQ(byte_at(trap.rip - 1), 0xf1);
}

TEST("the trap flag: #DB after one instruction, and DR6 says why") {
    set_debugreg(6, 0);
    Trap start = kernel_at(at_nop);
    start.rflags |= kTrapFlag;
    Caught const trap = trap_from(start);
    CHECK_EQ(trap.vector, kDebug);
    CHECK_EQ(trap.rip, word(&at_nop) + 1);
    CHECK((trap.rflags & kTrapFlag) != 0);
    CHECK((trap.handler_rflags & kTrapFlag) == 0);
    CHECK((get_debugreg(6) & 1 << 14) != 0);
}

TEST("the trap flag holds for an instruction that the hypervisor emulates") {
    Trap start = kernel_at(at_xen_cpuid);
    start.rflags |= kTrapFlag;
    start.rax = 0x4000'0000;
    Caught const trap = trap_from(start);
    CHECK_EQ(trap.vector, kDebug);
    CHECK_EQ(trap.rip, word(&at_xen_cpuid) + 7);
    CHECK_EQ(trap.rbx, 0x566e'6558); // "XenV"
}

TEST("UD2: #UD, at the instruction") {
    Caught const trap = trap_of([] { ud2(); });
    CHECK_EQ(trap.vector, kInvalidOpcode);
    CHECK_EQ(byte_at(trap.rip), 0x0f);
}

TEST("an address that is not canonical: #GP(0), and #SS(0) where the stack segment is meant (#GP(0) under QEMU)") {
    Caught const data = trap_of([] { touch(*reinterpret_cast<char volatile*>(std::uint64_t{1} << 63)); });
    CHECK_EQ(data.vector, kGeneralProtection);
    CHECK_EQ(data.error_code, 0);
    Caught const stack = trap_of([] { read_by_stack_segment(std::uint64_t{1} << 63); });
    CHECK(stack.vector == kStackFault || stack.vector == kGeneralProtection);
    CHECK_EQ(stack.error_code, 0);
}

TEST("a selector that leads nowhere: #GP with the selector") {
    Caught const global = trap_of([] { write_ds(0x1b); });
    CHECK_EQ(global.vector, kGeneralProtection);
    CHECK_EQ(global.error_code, 0x18);
    Caught const local = trap_of([] { write_es(0x1f); });
    CHECK_EQ(local.vector, kGeneralProtection);
    CHECK_EQ(local.error_code, 0x1c);
}

TEST("a segment that is not present: #NP with the selector, and #SS for the stack's") {
    Page const table = fresh_page();
    table[3] = kAbsentData;
    table.make_read_only();
    std::uint64_t const frame = table.frame().raw();
    CHECK_EQ(set_gdt(&frame, 512), 0);
    Caught const data = trap_of([] { write_ds(0x1b); });
    CHECK_EQ(data.vector, kSegmentNotPresent);
    CHECK_EQ(data.error_code, 0x18);
    Caught const stack = trap_of([] { write_ss(0x1b); });
    CHECK_EQ(stack.vector, kStackFault);
    CHECK_EQ(stack.error_code, 0x18);
    CHECK_EQ(set_gdt(nullptr, 0), 0);
}

TEST("a floating-point exception that is not masked: #MF at the next instruction that waits") {
    Caught const trap = trap_of([] {
        fninit();
        set_x87_control(0x37f & ~4); // division by zero is not masked
        x87_divide_by_zero();
    });
    CHECK_EQ(trap.vector, kMathFault);
    fninit();
}

TEST("INT n from the kernel needs a trap of privilege 1 at least: vector n, after the instruction, without an error "
     "code") {
    Caught const open = trap_of([] { software_interrupt<0x80>(); });
    CHECK_EQ(open.vector, 0x80);
    CHECK_EQ(byte_at(open.rip - 2), 0xcd);
    auto const int81_with = [](std::uint8_t privilege) {
        trap_info_t table[2] = {trap_table()[0x81], {}};
        table[0].flags = privilege;
        CHECK_EQ(set_trap_table(table), 0);
        Caught const trap = trap_of([] { software_interrupt<0x81>(); });
        set_trap_table(trap_table());
        return trap;
    };
    CHECK_EQ(int81_with(3).vector, 0x81);
    CHECK_EQ(int81_with(1).vector, 0x81);
    CHECK_EQ(byte_at(int81_with(1).rip - 2), 0xcd);
    Caught const closed = int81_with(0);
    CHECK_EQ(closed.vector, kGeneralProtection);
    CHECK_EQ(closed.error_code, 0x81 * 8 + 2);
    CHECK_EQ(byte_at(closed.rip), 0xcd);
}

TEST("a page fault: the address in arch.cr2, and an error code that says what happened, without the user bit") {
    Window const window = make_window();
    Page const page = fresh_page();
    auto const read = [&](unsigned slot) { return trap_of([&] { touch(window.at(slot, 0x123)); }); };
    auto const write = [&](unsigned slot) { return trap_of([&] { window.at(slot, 0x123) = 1; }); };

    Caught const absent = read(0);
    CHECK_EQ(absent.vector, kPageFault);
    CHECK_EQ(absent.fault_address, window.va(0) + 0x123);
    CHECK_EQ(absent.error_code, 0);
    CHECK_EQ(write(0).error_code, kFaultWrite);

    CHECK_EQ(window.set(1, entry(page.frame(), kReadOnly)), 0);
    CHECK_EQ(read(1).vector, kNoTrap);
    Caught const refused = write(1);
    CHECK_EQ(refused.vector, kPageFault);
    CHECK_EQ(refused.fault_address, window.va(1) + 0x123);
    CHECK_EQ(refused.error_code, kFaultPresent | kFaultWrite);

    // Nothing at any level above: below another slot of the L2, of the L3, of the root.
    for (std::uint64_t const distance : {std::uint64_t{1} << 21, std::uint64_t{1} << 30, std::uint64_t{1} << 39}) {
        Caught const nowhere = trap_of([&] { touch(*reinterpret_cast<char volatile*>(window.base + distance)); });
        CHECK_EQ(nowhere.vector, kPageFault);
        CHECK_EQ(nowhere.fault_address, window.base + distance);
        CHECK_EQ(nowhere.error_code, 0);
    }
}

TEST("an instruction fetched from a page that forbids it: #PF with the fetch bit") {
    Window const window = make_window();
    Page const page = fresh_page();
    *reinterpret_cast<std::uint8_t*>(page.va()) = 0xc3; // RET
    auto const call = [&] { return trap_of([&] { reinterpret_cast<void (*)()>(window.va(0))(); }); };

    CHECK_EQ(call().error_code, kFaultFetch);
    CHECK_EQ(window.set(0, entry(page.frame(), kReadOnly | kNoExecute)), 0);
    Caught const forbidden = call();
    CHECK_EQ(forbidden.vector, kPageFault);
    CHECK_EQ(forbidden.fault_address, window.va(0));
    CHECK_EQ(forbidden.rip, window.va(0));
    CHECK_EQ(forbidden.error_code, kFaultPresent | kFaultFetch);
    CHECK_EQ(window.set(0, entry(page.frame(), kReadOnly)), 0);
    flush_page(window.va(0));
    CHECK_EQ(call().vector, kNoTrap);
}

TEST("the hypervisor's own memory gives a page fault to its guest, but for the machine-to-phys table, read") {
    for (std::uint64_t const address : {0xffff'8040'0000'0000, 0xffff'8300'0000'0000, 0xffff'87ff'ffff'f000}) {
        Caught const read = trap_of([&] { touch(*reinterpret_cast<char volatile*>(address)); });
        CHECK_EQ(read.vector, kPageFault);
        CHECK_EQ(read.fault_address, address);
        Caught const write = trap_of([&] { *reinterpret_cast<char volatile*>(address) = 0; });
        CHECK_EQ(write.vector, kPageFault);
    }
    auto* const m2p = reinterpret_cast<std::uint64_t volatile*>(MACH2PHYS_VIRT_START);
    CHECK_EQ(trap_of([&] { touch(*m2p); }).vector, kNoTrap);
    Caught const written = trap_of([&] { *m2p = 0; });
    CHECK_EQ(written.vector, kPageFault);
    CHECK_EQ(written.error_code, kFaultPresent | kFaultWrite);
}

TEST("a fault is an invitation: the handler mends, and the instruction is done again") {
    static Window const* shown;
    static unsigned faults;
    Window const window = make_window();
    shown = &window;
    faults = 0;
    auto const mend = [](Trap& trap) {
        ++faults;
        return trap.vector == kPageFault && shown->set(0, entry(fresh_page().frame(), kWritable)) == 0;
    };
    Handler const before = set_handler(mend);
    window.at(0) = 0x1234;
    set_handler(before);
    CHECK_EQ(faults, 1);
    CHECK_EQ(window.at(0), 0x1234);
}
