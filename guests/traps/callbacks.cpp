/// Registering traps and callbacks, non-maskable interrupts, and the callback for what cannot be returned to.
#include "lib/events.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "lib/vcpu.hpp"

using namespace lib;

namespace {

constexpr std::uint64_t kNotCanonical = std::uint64_t{1} << 48;

constexpr std::uint64_t kWords = 8;
/// A descriptor of a data segment, writable, of privilege 3.
constexpr std::uint64_t kData = 0x00cf'f300'0000'ffff;

std::uint64_t target_stack() { return this_vcpu().trap_stack_top() - 512; }

/// iret with these segments.
Caught iret_to(std::uint64_t cs, std::uint64_t ss) {
    Trap trap{};
    trap.rip = 0x1234;
    trap.cs = cs;
    trap.rflags = kInterruptFlag;
    trap.rsp = target_stack();
    trap.ss = ss;
    return trap_of([&] { leave_trap(&trap); });
}

unsigned nmis;
bool in_nmi;
bool nested;

} // namespace

TEST("a trap table that cannot be read, or that leads to no address, is refused") {
    CHECK_EQ(set_trap_table(reinterpret_cast<trap_info_t*>(0x1000)), kEFAULT);
    trap_info_t const table[2] = {{.vector = 0x90, .flags = 0, .cs = FLAT_KERNEL_CS, .address = kNotCanonical}, {}};
    CHECK_EQ(set_trap_table(table), kEINVAL);
}

TEST("no table forgets every trap") {
    CHECK_EQ(set_trap_table(nullptr), 0);
    set_traps();
}

TEST("a trap's code selector is the flat one whatever privilege or selector was asked for") {
    trap_info_t table[2] = {trap_table()[kInvalidOpcode], {}};
    table[0].cs = FLAT_KERNEL_CS & ~3;
    CHECK_EQ(set_trap_table(table), 0);
    CHECK_EQ(trap_of([] { ud2(); }).handler_cs, FLAT_KERNEL_CS);
    set_trap_table(trap_table());
}

TEST("callbacks that do not exist or lead to no address are refused; the event callback cannot be taken back") {
    callback_register_t callback{.type = 99, .flags = 0, .address = door(kEvent)};
    CHECK_EQ(callback_op(CALLBACKOP_register, &callback), kENOSYS);
    callback = {.type = CALLBACKTYPE_event, .flags = 0, .address = kNotCanonical};
    CHECK_EQ(callback_op(CALLBACKOP_register, &callback), kEINVAL);
    CHECK_EQ(callback_op(CALLBACKOP_register, nullptr), kEFAULT);
    CHECK_EQ(callback_op(77, &callback), kENOSYS);
    callback_unregister_t gone{.type = CALLBACKTYPE_event, ._unused = 0};
    CHECK_EQ(callback_op(CALLBACKOP_unregister, &gone), kEINVAL);
    gone.type = CALLBACKTYPE_nmi;
    CHECK_EQ(callback_op(CALLBACKOP_unregister, &gone), 0);
    gone.type = 99;
    CHECK_EQ(callback_op(CALLBACKOP_unregister, &gone), kENOSYS);
    set_traps();
}

TEST("set_callbacks is three callbacks in one call; an address that cannot be is not taken") {
    use_user_mode();
    CHECK_EQ(set_callbacks(door(kSysenter), door(kFailsafe), door(kSystemCall32)), 0);
    for (unsigned round = 0; round < 2; ++round) {
        CHECK_EQ(user_trap_of([] {}).vector, kSystemCall32);
        auto const port = static_cast<Port>(bind_ipi(0));
        set_masked(port, false);
        Caught const event = trap_of([&] {
            let_events_in();
            send(port);
        });
        CHECK_EQ(event.vector, kSysenter);
        CHECK(event.events_masked); // whatever the flags
        keep_events_out();
        take_events();
        CHECK_EQ(close(port), 0);
        set_callbacks(kNotCanonical, kNotCanonical, kNotCanonical); // Xen answers 0
    }
    set_traps();
    CHECK_EQ(user_trap_of([] {}).vector, kSystemCall);
}

TEST("a vCPU can be sent a non-maskable interrupt: vector 2, even while events are masked") {
    callback_register_t const callback{.type = CALLBACKTYPE_nmi, .flags = 0, .address = door(kNmi)};
    CHECK_EQ(callback_op(CALLBACKOP_register, &callback), 0);
    nmis = 0;
    Handler const before = set_handler([](Trap& trap) {
        nmis += trap.vector == kNmi;
        nested = this_vcpu().info->evtchn_upcall_mask != 0;
        return trap.vector == kNmi;
    });
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0), 0);
    CHECK_EQ(nmis, 1);
    {
        EventsIn const in;
        CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0), 0);
        CHECK_EQ(nmis, 2);
        CHECK(nested); // its handler runs with events masked
        CHECK_EQ(this_vcpu().info->evtchn_upcall_mask, 0);
    }
    set_handler(before);
}

TEST("sending a non-maskable interrupt takes no argument, and a vCPU that is there") {
    int argument = 0;
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, &argument), kEINVAL);
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 1000), kENOENT);
}

TEST("a second one waits until the first one's iret") {
    nmis = 0;
    in_nmi = nested = false;
    Handler const before = set_handler([](Trap& trap) {
        if (trap.vector != kNmi)
            return false;
        nested = nested || in_nmi;
        in_nmi = true;
        if (nmis++ == 0)
            CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0), 0);
        in_nmi = false;
        return true;
    });
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0), 0);
    set_handler(before);
    CHECK_EQ(nmis, 2);
    CHECK(!nested);
}

TEST("an iret that the processor refuses is an exception where it was to go, with the selector as its error code") {
    Caught const code = iret_to(0x18, FLAT_KERNEL_SS); // a selector that leads nowhere
    CHECK_EQ(code.vector, kGeneralProtection);
    CHECK_EQ(code.error_code, 0x18);
    CHECK_EQ(code.rip, 0x1234);
    CHECK_EQ(code.cs & 0xffff, 0x18);
    CHECK_EQ(code.rsp, target_stack());
    CHECK_EQ(code.frame, target_stack() / 16 * 16 - 8 * kWords);
    CHECK((code.rflags & kInterruptFlag) != 0); // the upcall mask had been set from the frame
    Caught const stack = iret_to(FLAT_KERNEL_CS & ~3, 0x18);
    CHECK_EQ(stack.vector, kGeneralProtection);
    CHECK_EQ(stack.error_code, 0x18);
    CHECK_EQ(stack.ss & 0xfffc, 0x18);
}

TEST("such an iret to user mode is an exception of user mode") {
    use_user_mode();
    Caught const trap = iret_to(0x1b, FLAT_USER_SS);
    CHECK_EQ(trap.vector, kGeneralProtection);
    CHECK_EQ(trap.error_code, 0x18);
    CHECK_EQ(trap.cs & 0xffff, 0x1b);
    CHECK(trap.from_user_mode());
    CHECK_EQ(trap.frame, this_vcpu().trap_stack_top() - 8 * kWords);
}

TEST(
    "selectors that have become bad are found when a vCPU is switched in: the failsafe callback, with what they were") {
    SKIP_UNLESS(shares_cpu(), "needs two vCPUs on one CPU (say shares-cpu on the command line)");
    Page const table = fresh_page();
    table[3] = kData;
    table.make_read_only();
    std::uint64_t const frame = table.frame().raw();
    CHECK_EQ(set_gdt(&frame, 512), 0);
    write_ds(0x1b);
    write_fs(0x1b);
    OtherVcpuBusy const busy;
    Caught const trap = trap_of([] {
        set_gdt(nullptr, 0);
        for (std::uint64_t const end = now() + 1000 * kMillisecond; now() < end;)
            sched_op(SCHEDOP_yield);
    });
    CHECK_EQ(trap.vector, kFailsafe);
    CHECK(trap.events_masked);
    CHECK_EQ(failsafe_selectors[0], 0x1b);
    CHECK_EQ(failsafe_selectors[1], 0);
    CHECK_EQ(failsafe_selectors[2], 0x1b);
    CHECK_EQ(read_ds(), 0); // the live ones differ: it was not an iret that failed
    CHECK_EQ(read_fs(), 0);
    CHECK_EQ(trap.frame, trap.rsp / 16 * 16 - 11 * kWords);
}
