#include "lib/trap.hpp"

#include <utility>

#include "lib/events.hpp"
#include "lib/guest.hpp"
#include "lib/instructions.hpp"
#include "lib/memory.hpp"

extern "C" {
extern std::uint64_t const doors[261];
bool run_or_land(void (*code)(void*), void* argument, lib::CalleeSaved* registers);
void land_on(lib::CalleeSaved* registers);
void end_of_user_mode();
}

namespace lib {
namespace {

constexpr bool has_error_code(std::uint64_t vector) {
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

/// Where the hypervisor's frame began: the door has popped RCX and R11, and pushed what was missing.
std::uint64_t frame_of(Trap const& trap) {
    std::uint64_t const error_code = word(&trap.error_code);
    if (trap.vector == kFailsafe)
        return error_code - 40;
    return has_error_code(trap.vector) ? error_code - 16 : error_code - 8;
}

/// The landing takes the trap, and what is left of it goes on there.
void land(Landing& landing, Trap& trap, std::uint64_t rflags) {
    static_cast<Trap&>(landing.caught) = trap;
    landing.caught.frame = frame_of(trap);
    landing.caught.handler_rflags = rflags;
    landing.caught.handler_cs = read_cs();
    landing.caught.handler_ss = read_ss();
    landing.caught.fault_address = this_vcpu().info->arch.cr2;
    landing.caught.events_masked = this_vcpu().info->evtchn_upcall_mask != 0;
    trap.rdi = word(&landing.registers);
    trap.rip = word(&land_on);
    trap.cs = FLAT_KERNEL_CS & ~3;
    trap.ss = FLAT_KERNEL_SS;
    trap.rsp = landing.registers.rsp;
    trap.rflags = landing.rflags;
}

} // namespace

namespace detail {

bool catch_trap(void (*code)(void*), void* argument, Caught& caught) {
    VcpuArea& vcpu = this_vcpu();
    Landing landing{};
    landing.rflags = vcpu.info->evtchn_upcall_mask != 0 ? 0 : std::uint64_t{kInterruptFlag};
    landing.outer = vcpu.landing;
    vcpu.landing = &landing;
    bool const trapped = run_or_land(code, argument, &landing.registers);
    vcpu.landing = landing.outer;
    caught = landing.caught;
    return trapped;
}

bool catch_user_trap(void (*code)(void*), void* argument, std::uint64_t rflags, Caught& caught) {
    VcpuArea& vcpu = this_vcpu();
    auto* const return_address = reinterpret_cast<std::uint64_t*>(vcpu.user_stack_top()) - 1;
    *return_address = word(&end_of_user_mode);
    Trap user = user_at(nullptr);
    user.rip = word(code);
    user.rdi = word(argument);
    user.rsp = word(return_address);
    user.rflags = rflags;
    return catch_trap([](void* where) { leave_trap(static_cast<Trap*>(where)); }, &user, caught);
}

} // namespace detail

Trap kernel_at(void (*code)()) {
    Trap start{};
    start.rip = word(code);
    start.cs = FLAT_KERNEL_CS & ~3; // privilege 0 says the kernel
    start.ss = FLAT_KERNEL_SS;
    start.rsp = this_vcpu().trap_stack_top() - 1024;
    start.rflags = this_vcpu().info->evtchn_upcall_mask != 0 ? 0 : std::uint64_t{kInterruptFlag};
    return start;
}

Trap user_at(void (*code)()) {
    Trap start{};
    start.rip = word(code);
    start.cs = FLAT_USER_CS;
    start.ss = FLAT_USER_SS;
    start.rsp = this_vcpu().user_stack_top();
    start.rflags = kInterruptFlag;
    return start;
}

Caught trap_from(Trap start) {
    return trap_of([&] { leave_trap(&start); });
}

void use_user_mode() {
    new_user_root(root_table().frame());
    stack_switch(FLAT_KERNEL_SS, this_vcpu().trap_stack_top());
}

Handler set_handler(Handler handler) {
    Handler const old = this_vcpu().handler;
    this_vcpu().handler = handler;
    return old;
}

std::uint64_t door(std::uint64_t vector) { return doors[vector]; }

trap_info_t const* trap_table() {
    static trap_info_t table[257];
    for (unsigned vector = 0; vector < 256; ++vector) {
        bool const open = vector == kBreakpoint || vector == kOverflow || vector == 0x80;
        table[vector] = {.vector = static_cast<std::uint8_t>(vector),
                         .flags = static_cast<std::uint8_t>(open ? 3 : 0),
                         .cs = FLAT_KERNEL_CS,
                         .address = doors[vector]};
    }
    return table;
}

void set_traps() {
    bool refused = set_trap_table(trap_table()) != 0;
    constexpr std::pair<std::uint16_t, Vector> kCallbacks[] = {
        {CALLBACKTYPE_event, kEvent}, {CALLBACKTYPE_failsafe, kFailsafe}, {CALLBACKTYPE_syscall, kSystemCall}};
    for (auto const& [type, vector] : kCallbacks) {
        callback_register_t const callback{.type = type, .flags = CALLBACKF_mask_events, .address = doors[vector]};
        refused = refused || callback_op(CALLBACKOP_register, &callback) != 0;
    }
    if (!refused)
        return;
    print("# the trap table or a callback is refused\n");
    shut_down(Verdict::failed);
}

} // namespace lib

/// Every door ends here; on return, what is in @p trap goes on.
extern "C" void guest_trap(lib::Trap* trap, std::uint64_t rflags) {
    lib::VcpuArea& vcpu = lib::this_vcpu();
    if (vcpu.handler != nullptr && vcpu.handler(*trap))
        return;
    if (trap->vector == lib::kEvent && lib::take_events())
        return;
    if (vcpu.landing != nullptr) {
        lib::Landing& landing = *vcpu.landing;
        vcpu.landing = nullptr;
        return lib::land(landing, *trap, rflags);
    }
    lib::print("# vCPU ", vcpu.id, ": unexpected exception ", trap->vector, " error ", lib::Hex{trap->error_code},
               " at ", lib::Hex{trap->rip}, " address ", lib::Hex{vcpu.info->arch.cr2}, "\n");
    lib::shut_down(lib::Verdict::failed);
}
