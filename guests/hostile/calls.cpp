/// Hypercalls by chance: any number, any command, any argument, within what the guest can survive being done to it.
#include "lib/events.hpp"
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

struct Call {
    std::uint64_t number, arguments[5];
};

/// The machine address of a word of a sandbox page, or one that is not the guest's to change; the low bits are a command.
std::uint64_t entry_address(Dice& dice) {
    std::uint64_t const command = dice.once_in(4) ? dice.below(8) : 0;
    if (dice.once_in(8)) // of the root, the hypervisor's slots: the others are the guest's own, and its life
        return root_table().address_of(static_cast<unsigned>(256 + dice.below(16))) | command % 4;
    std::uint64_t const frame = sandbox().frame(dice);
    bool const needed = frame == root_table().frame().raw() || frame == sandbox().window().l2.frame().raw();
    return (needed ? sandbox().page(dice).frame().raw() : frame) << 12 | dice.below(512) * 8 | command;
}

Call mmu_call(Dice& dice) {
    std::uint64_t* const updates = sandbox().arguments(dice);
    for (unsigned i = 0; i < 4; ++i) {
        updates[2 * i] = entry_address(dice);
        updates[2 * i + 1] = dice.once_in(4) ? sandbox().number(dice) : sandbox().entry(dice);
    }
    return {__HYPERVISOR_mmu_update,
            {word(updates), dice.below(5), dice.once_in(2) ? 0 : sandbox().address(dice), sandbox().domain(dice)}};
}

Call mmuext_call(Dice& dice) {
    std::uint64_t* const operation = sandbox().arguments(dice);
    std::uint64_t const command = dice.below(24);
    operation[0] = command;
    // A root of its own making would take the kernel's code away: only those that must be refused.
    operation[1] = command == MMUEXT_NEW_BASEPTR ? ~std::uint64_t{0} >> dice.below(10)
                   : dice.once_in(4)             ? sandbox().address(dice)
                                                 : sandbox().frame(dice);
    operation[2] = dice.once_in(2) ? sandbox().frame(dice) : sandbox().address(dice);
    return {__HYPERVISOR_mmuext_op, {word(operation), dice.below(2), 0, sandbox().domain(dice)}};
}

Call va_call(Dice& dice) {
    std::uint64_t const va =
        dice.once_in(2) ? sandbox().window().va(static_cast<unsigned>(dice.below(512))) : sandbox().address(dice);
    bool const scratch = va / kPageSize == word(sandbox().scratch()) / kPageSize;
    return {dice.once_in(4) ? std::uint64_t{__HYPERVISOR_update_va_mapping_otherdomain}
                            : __HYPERVISOR_update_va_mapping,
            {scratch ? kUnmapped : va, sandbox().entry(dice), dice.once_in(2) ? dice.below(8) : sandbox().address(dice),
             sandbox().domain(dice)}};
}

Call descriptor_call(Dice& dice) {
    std::uint64_t* const frames = sandbox().arguments(dice);
    for (unsigned i = 0; i < 16; ++i)
        frames[i] = sandbox().frame(dice);
    if (dice.once_in(2))
        return {__HYPERVISOR_set_gdt, {word(frames), dice.once_in(2) ? dice.below(8000) : sandbox().number(dice)}};
    return {__HYPERVISOR_update_descriptor, {entry_address(dice), dice.next()}};
}

Call memory_call(Dice& dice) {
    // Commands that could give away the guest's own memory get no frame of it.
    std::uint64_t* const arguments = sandbox().arguments(dice);
    std::uint64_t const command = dice.below(32);
    if (command == XENMEM_decrease_reservation || command == XENMEM_exchange) {
        arguments[0] = word(arguments + 8);
        arguments[1] = dice.below(9);
        for (unsigned i = 8; i < 16; ++i)
            arguments[i] = ~std::uint64_t{0} >> dice.below(20);
        arguments[3] = sandbox().domain(dice);
    }
    return {__HYPERVISOR_memory_op, {command, word(arguments)}};
}

Call event_call(Dice& dice) {
    std::uint64_t* const arguments = sandbox().arguments(dice);
    std::uint64_t const commands[] = {
        EVTCHNOP_bind_interdomain, EVTCHNOP_bind_virq,     EVTCHNOP_close,        EVTCHNOP_send,
        EVTCHNOP_status,           EVTCHNOP_alloc_unbound, EVTCHNOP_bind_ipi,     EVTCHNOP_bind_vcpu,
        EVTCHNOP_unmask,           EVTCHNOP_reset,         EVTCHNOP_set_priority, 50};
    arguments[0] = dice.once_in(2) ? dice.below(20) | dice.below(20) << 32 : sandbox().number(dice);
    return {__HYPERVISOR_event_channel_op, {dice.one_of(commands), word(arguments)}};
}

Call vcpu_call(Dice& dice) {
    std::uint64_t const commands[] = {VCPUOP_is_up,
                                      VCPUOP_get_runstate_info,
                                      VCPUOP_set_periodic_timer,
                                      VCPUOP_stop_periodic_timer,
                                      VCPUOP_set_singleshot_timer,
                                      VCPUOP_stop_singleshot_timer,
                                      VCPUOP_send_nmi,
                                      VCPUOP_get_physid,
                                      VCPUOP_register_runstate_memory_area,
                                      50};
    std::uint64_t const command = dice.one_of(commands);
    std::uint64_t* const arguments = sandbox().arguments(dice);
    arguments[0] = sandbox().address(dice);
    // A vCPU that is down would find its NMI when it is started, long after.
    std::uint64_t const vcpu = dice.once_in(2) || command == VCPUOP_send_nmi ? 0 : sandbox().number(dice);
    return {__HYPERVISOR_vcpu_op, {command, vcpu, dice.once_in(8) ? 0 : word(arguments)}};
}

Call other_call(Dice& dice) {
    std::uint64_t* const arguments = sandbox().arguments(dice);
    std::uint64_t const any = sandbox().number(dice), address = sandbox().address(dice);
    switch (dice.below(14)) {
    case 0: return {__HYPERVISOR_xen_version, {dice.below(20), address}};
    case 1: return {__HYPERVISOR_stack_switch, {any, sandbox().address(dice)}};
    case 2: return {__HYPERVISOR_set_debugreg, {dice.below(7), any}};
    case 3: return {__HYPERVISOR_get_debugreg, {any}};
    case 4: return {__HYPERVISOR_set_timer_op, {any}};
    case 5: return {__HYPERVISOR_set_segment_base, {dice.below(6), any}};
    case 6: return {__HYPERVISOR_vm_assist, {2 + dice.below(3), any}};
    case 7:
        return {__HYPERVISOR_grant_table_op,
                {dice.below(14), dice.once_in(4) ? address : word(arguments), dice.below(4)}};
    case 8: return {__HYPERVISOR_callback_op, {1 + dice.below(4), address}};
    case 9: return {__HYPERVISOR_console_io, {1 + dice.below(5), dice.below(16), address}};
    case 10:
        arguments[0] = 1234 | any << 16; // dom0 may shut itself down in this way, too
        return {__HYPERVISOR_sched_op, {SCHEDOP_remote_shutdown, word(arguments)}};
    case 11:
        return {dice.one_of<std::uint64_t>({__HYPERVISOR_platform_op, __HYPERVISOR_sysctl, __HYPERVISOR_domctl,
                                            __HYPERVISOR_hvm_op, __HYPERVISOR_xsm_op, __HYPERVISOR_argo_op,
                                            __HYPERVISOR_xenpmu_op, __HYPERVISOR_dm_op}),
                {dice.once_in(2) ? address : word(arguments), any, address}};
    case 12: return {__HYPERVISOR_physdev_op, {40 + dice.below(100), word(arguments)}};
    default: return {dice.once_in(2) ? 49 + dice.below(20) : dice.next() | 64, {any, address, any, address}};
    }
}

Call any_call(Dice& dice) {
    constexpr Call (*kinds[])(Dice&) = {mmu_call,   mmu_call,  mmuext_call, mmuext_call, va_call,
                                        event_call, vcpu_call, memory_call, other_call,  descriptor_call};
    return dice.one_of(kinds)(dice);
}

std::int64_t make(Call const& call) {
    auto const& [a, b, c, d, e] = call.arguments;
    return raw_hypercall(call.number, a, b, c, d, e);
}

/// What a number of calls may have left behind.
void restore() {
    static vcpu_runstate_info_t runstate;
    vcpu_register_runstate_memory_area_t area{};
    area.addr.p = word(&runstate);
    vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area);
    vcpu_op(VCPUOP_stop_periodic_timer, 0);
    vcpu_op(VCPUOP_stop_singleshot_timer, 0);
    stack_switch(FLAT_KERNEL_SS, this_vcpu().trap_stack_top());
    set_traps(); // a non-maskable interrupt waits while it has no handler
    for (unsigned i = 0; i < 4; ++i)
        set_debugreg(i, 0);
    sandbox().clear();
}

/// Non-maskable interrupts come when they are asked for.
class NmisIgnored {
  public:
    NmisIgnored() : before_{set_handler([](Trap& trap) { return trap.vector == kNmi; })} {}
    ~NmisIgnored() { set_handler(before_); }
    NmisIgnored(NmisIgnored const&) = delete;
    NmisIgnored& operator=(NmisIgnored const&) = delete;

  private:
    Handler before_;
};

} // namespace

TEST("twenty thousand hypercalls by chance") {
    NmisIgnored const ignored;
    Dice dice{0x7e12};
    unsigned done = 0, refused = 0;
    for (unsigned i = 0; i < 20'000; ++i) {
        std::int64_t const answer = make(any_call(dice));
        (answer >= 0 || answer <= -4096 ? done : refused) += 1;
        if (i % 2'000 == 1'999) {
            restore();
            check_sanity();
        }
    }
    print("# ", done, " done, ", refused, " refused\n");
    CHECK(done > 1000 && refused > 1000); // both kinds were among them
}

TEST("the same, as entries of multicalls") {
    NmisIgnored const ignored;
    Dice dice{0x5eed};
    static multicall_entry calls[16];
    for (unsigned i = 0; i < 500; ++i) {
        for (multicall_entry& call : calls) {
            auto const [number, arguments] = any_call(dice);
            call = {.op = number, .result = 0, .args = {}};
            for (unsigned n = 0; n < 5; ++n)
                call.args[n] = arguments[n];
        }
        if (multicall(calls, 16) != 0)
            return fail(__FILE_NAME__, __LINE__, "multicall(calls, 16) == 0");
    }
    restore();
    check_sanity();
}
