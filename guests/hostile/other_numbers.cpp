/// The hypercalls that calls.cpp leaves out, since after them the guest has to be set up again; and numbers that are none.
#include "lib/test.hpp"
#include "lib/trap.hpp"
#include "sandbox.hpp"

using namespace lib;

namespace {

/// Entry points as they were.
void set_up_again() {
    set_traps();
    fpu_taskswitch(false);
    physdev_set_iopl_t ports{.iopl = 1};
    physdev(PHYSDEVOP_set_iopl, &ports);
}

/// Commands of the older forms of three hypercalls that Xen still has: these would end or stop the guest by design.
constexpr std::uint64_t kOldBlock = 1, kOldShutdown = 2, kOldApicWrite = PHYSDEVOP_apic_write;

std::int64_t older_event_call(Dice& dice) {
    std::uint64_t* const arguments = sandbox().arguments(dice);
    std::uint64_t const commands[] = {EVTCHNOP_close, EVTCHNOP_send, EVTCHNOP_status, EVTCHNOP_bind_ipi, 50};
    arguments[0] = dice.one_of(commands) | dice.below(20) << 32;
    return hypercall(__HYPERVISOR_event_channel_op_compat, arguments);
}

std::int64_t older_device_call(Dice& dice) {
    std::uint64_t* const arguments = sandbox().arguments(dice);
    std::uint64_t const command = dice.below(16);
    arguments[0] = command == kOldApicWrite ? 0 : command;
    return hypercall(__HYPERVISOR_physdev_op_compat, arguments);
}

std::int64_t call(Dice& dice) {
    std::uint64_t const any = sandbox().number(dice), address = sandbox().address(dice);
    switch (dice.below(10)) {
    case 0: return hypercall(__HYPERVISOR_set_trap_table, dice.once_in(2) ? address : word(sandbox().arguments(dice)));
    case 1: return hypercall(__HYPERVISOR_set_callbacks, any, address, sandbox().number(dice));
    case 2: return hypercall(__HYPERVISOR_fpu_taskswitch, any);
    case 3: return hypercall(__HYPERVISOR_sched_op_compat, any == kOldBlock || any == kOldShutdown ? 0 : any, address);
    case 4: return hypercall(11, any, address, any, address); // nobody's
    case 5: return older_event_call(dice);
    case 6: return older_device_call(dice);
    case 7:
        return hypercall(__HYPERVISOR_nmi_op, dice.below(4),
                         dice.once_in(2) ? address : word(sandbox().arguments(dice)));
    case 8: {
        std::uint64_t const numbers[] = {__HYPERVISOR_xenoprof_op, __HYPERVISOR_kexec_op, 38};
        return hypercall(dice.one_of(numbers), dice.below(20), address);
    }
    default: return hypercall(42 + dice.below(7), dice.once_in(2) ? any : dice.below(8), address, any, address);
    }
}

} // namespace

TEST("the hypercalls that set a guest up, those of older kernels, and those that there are not, by chance") {
    Dice dice{0x0de};
    unsigned done = 0, refused = 0;
    for (unsigned i = 0; i < 5000; ++i) {
        std::int64_t const answer = call(dice);
        set_up_again();
        (answer >= 0 || answer <= -4096 ? done : refused) += 1;
        if (i % 1000 == 999)
            check_sanity();
    }
    print("# ", done, " done, ", refused, " refused\n");
    CHECK(done > 200 && refused > 1000);
    sandbox().clear();
}
