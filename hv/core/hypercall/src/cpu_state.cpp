// Hypercalls that set a vCPU's own state: its entry points, stacks, segment bases, debug registers (docs/abi.md §3.2).

#include "abi/xen.hpp"
#include "arch/cpu.hpp"
#include "emulate/descriptor.hpp"
#include "guest/debug.hpp"
#include "guest/mode.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using base::Vaddr;
using domain::Callback;

bool code_address(std::uint64_t address) { return base::canonical(Vaddr{address}); }

} // namespace

Answer set_trap_table(Call& call) {
    auto& traps = call.vcpu.traps;
    if (call.args[0] == 0) {
        traps = {};
        return 0;
    }
    auto const table = call.array<trap_info_t>(0);
    // At most one entry a vector: a table without an end is cut there, so that it cannot hold the CPU.
    for (std::uint64_t i = 0; i < 256; ++i) {
        auto const entry = TRY(table.read(i));
        if (entry.address == 0)
            break;
        if (!code_address(entry.address))
            return Err{Error::invalid};
        traps[entry.vector] = {entry.address, emulate::ring3_selector(entry.cs),
                               static_cast<std::uint8_t>(TI_GET_DPL(&entry)), TI_GET_IF(&entry) != 0};
    }
    return 0;
}

Answer stack_switch(Call& call) {
    call.vcpu.kernel_ss = emulate::ring3_selector(static_cast<std::uint16_t>(call.args[0]));
    call.vcpu.kernel_sp = call.args[1];
    return 0;
}

Answer fpu_taskswitch(Call& call) {
    call.vcpu.task_switched = (call.args[0] & 1) != 0;
    arch::set_task_switched(call.vcpu.task_switched);
    return 0;
}

Answer set_callbacks(Call& call) {
    for (unsigned i = 0; i < 3; ++i)
        if (!code_address(call.args[i]))
            return Err{Error::invalid};
    auto& vcpu = call.vcpu;
    vcpu.event_callback = {call.args[0], true};
    vcpu.failsafe_callback = {call.args[1], vcpu.failsafe_callback.mask_events};
    vcpu.syscall_callback = {call.args[2], vcpu.syscall_callback.mask_events};
    return 0;
}

namespace {

/// The callback that callback_op calls @p type; null for those that a 64-bit guest has not.
Callback* callback(domain::Vcpu& vcpu, std::uint16_t type) {
    switch (type) {
    case CALLBACKTYPE_event: return &vcpu.event_callback;
    case CALLBACKTYPE_failsafe: return &vcpu.failsafe_callback;
    case CALLBACKTYPE_syscall: return &vcpu.syscall_callback;
    case CALLBACKTYPE_syscall32: return &vcpu.syscall32_callback;
    case CALLBACKTYPE_sysenter: return &vcpu.sysenter_callback;
    default: return nullptr;
    }
}

/// The NMI's handler is the trap table's entry for its vector, however it is set.
void set_nmi_handler(domain::Vcpu& vcpu, std::uint64_t address) {
    vcpu.traps[domain::kNmiVector] = {address, FLAT_KERNEL_CS, 0, true};
}

Answer register_callback(Call& call) {
    auto const request = TRY(call.read<callback_register_t>(1));
    if (request.type == CALLBACKTYPE_nmi) {
        if (!code_address(request.address))
            return Err{Error::invalid};
        set_nmi_handler(call.vcpu, request.address);
        return 0;
    }
    Callback* const target = callback(call.vcpu, request.type);
    if (target == nullptr)
        return Err{Error::not_implemented};
    if (!code_address(request.address))
        return Err{Error::invalid};
    bool const masks = request.type == CALLBACKTYPE_event || (request.flags & CALLBACKF_mask_events) != 0;
    *target = {request.address, masks};
    return 0;
}

Answer unregister_callback(Call& call) {
    auto const request = TRY(call.read<callback_unregister_t>(1));
    switch (request.type) {
    // The guest cannot go on without these.
    case CALLBACKTYPE_event:
    case CALLBACKTYPE_failsafe:
    case CALLBACKTYPE_syscall:
    case CALLBACKTYPE_syscall32:
    case CALLBACKTYPE_sysenter: return Err{Error::invalid};
    case CALLBACKTYPE_nmi: set_nmi_handler(call.vcpu, 0); return 0;
    default: return Err{Error::not_implemented};
    }
}

} // namespace

Answer callback_op(Call& call) {
    switch (call.u32(0)) {
    case CALLBACKOP_register: return register_callback(call);
    case CALLBACKOP_unregister: return unregister_callback(call);
    default: return Err{Error::not_implemented};
    }
}

Answer nmi_op(Call& call) {
    switch (call.u32(0)) {
    case XENNMI_register_callback: {
        auto const request = TRY(call.read<xennmi_callback>(1));
        if (!code_address(request.handler_address))
            return Err{Error::invalid};
        set_nmi_handler(call.vcpu, request.handler_address);
        return 0;
    }
    case XENNMI_unregister_callback: set_nmi_handler(call.vcpu, 0); return 0;
    default: return Err{Error::not_implemented};
    }
}

Answer set_segment_base(Call& call) {
    std::uint64_t const base = call.args[1];
    if (call.u32(0) == SEGBASE_GS_USER_SEL) {
        auto const selector = static_cast<std::uint16_t>(base);
        arch::load_inactive_gs(selector == 0 ? selector : static_cast<std::uint16_t>(selector | 3));
        return 0;
    }
    if (!base::canonical(Vaddr{base}))
        return Err{Error::invalid};
    switch (call.u32(0)) {
    case SEGBASE_FS: arch::set_fs_base(base); return 0;
    case SEGBASE_GS_USER: arch::set_inactive_gs_base(base); return 0;
    case SEGBASE_GS_KERNEL: arch::set_gs_base(base); return 0;
    default: return Err{Error::invalid};
    }
}

Answer set_debugreg(Call& call) {
    // DR4 and DR5 are other names of DR6 and DR7 (SDM vol. 3B §17.2.2).
    std::uint32_t const number = call.u32(0) == 4 || call.u32(0) == 5 ? call.u32(0) + 2 : call.u32(0);
    if (number > 7)
        return Err{Error::no_device};
    TRY(guest::write_debug_register(call.vcpu, number, call.args[1]));
    return 0;
}

Answer get_debugreg(Call& call) {
    std::uint32_t const number = call.u32(0) == 4 || call.u32(0) == 5 ? call.u32(0) + 2 : call.u32(0);
    if (number > 7)
        return Err{Error::no_device};
    return static_cast<std::int64_t>(guest::read_debug_register(call.vcpu, number));
}

Answer vm_assist(Call& call) {
    if (call.args[1] >= 64)
        return Err{Error::invalid};
    std::uint64_t const bit = std::uint64_t{1} << call.args[1];
    if ((bit & domain::kVmAssists) == 0)
        return Err{Error::invalid};
    switch (call.u32(0)) {
    case VMASST_CMD_enable: call.domain().vm_assist.fetch_or(bit); break;
    case VMASST_CMD_disable: call.domain().vm_assist.fetch_and(~bit); break;
    default: return Err{Error::not_implemented};
    }
    guest::apply_iopl(call.vcpu); // other vCPUs of the domain: at their next change of mode
    return 0;
}

/// No guest counts the CPU's events.
Answer xenpmu_op(Call&) { return Err{Error::not_supported}; }

} // namespace hypercall
