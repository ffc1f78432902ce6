#include <cstring>
#include <span>

#include "arch/cpu.hpp"
#include "context_registers.hpp"
#include "domain/domain.hpp"
#include "guest/context.hpp"
#include "guest/debug.hpp"
#include "guest/environment.hpp"
#include "guest/flags.hpp"

namespace guest {
namespace {

unsigned long control_register(base::Gfn root) { return root.raw() << base::kPageShift; }

cpu_user_regs_t registers_of(domain::Vcpu const& vcpu) {
    auto const& registers = vcpu.saved.registers;
    auto const& segments = vcpu.saved.segments;
    cpu_user_regs_t user{};
    for (auto const& pair : kRegisterPairs)
        user.*pair.theirs = registers.*pair.ours;
    user.cs = static_cast<std::uint16_t>(registers.cs);
    user.ss = static_cast<std::uint16_t>(registers.ss);
    user.rflags = registers.rflags | std::uint64_t{vcpu.iopl} << kIoplShift;
    user.ds = segments.ds;
    user.es = segments.es;
    user.fs = segments.fs;
    user.gs = segments.gs;
    return user;
}

unsigned long flags_of(domain::Vcpu const& vcpu) {
    unsigned long flags = VGCF_i387_valid;
    if (vcpu.in_kernel())
        flags |= VGCF_in_kernel;
    if (vcpu.failsafe_callback.mask_events)
        flags |= VGCF_failsafe_disables_events;
    if (vcpu.syscall_callback.mask_events)
        flags |= VGCF_syscall_disables_events;
    if (!vcpu.down.load(std::memory_order_acquire))
        flags |= VGCF_online;
    return flags;
}

void tell_entry_points(domain::Vcpu const& vcpu, vcpu_guest_context_t& context) {
    for (std::size_t vector = 0; vector < vcpu.traps.size(); ++vector) {
        auto const& gate = vcpu.traps[vector];
        auto& trap = context.trap_ctxt[vector];
        trap.vector = static_cast<std::uint8_t>(vector);
        TI_SET_DPL(&trap, gate.privilege);
        TI_SET_IF(&trap, gate.mask_events);
        trap.cs = gate.selector;
        trap.address = gate.address;
    }
    context.event_callback_eip = vcpu.event_callback.address;
    context.failsafe_callback_eip = vcpu.failsafe_callback.address;
    context.syscall_callback_eip = vcpu.syscall_callback.address;
    context.kernel_ss = vcpu.kernel_ss;
    context.kernel_sp = vcpu.kernel_sp;
}

void tell_tables(domain::Vcpu const& vcpu, vcpu_guest_context_t& context) {
    auto const& descriptors = vcpu.descriptors;
    context.ldt_base = descriptors.ldt_base.raw();
    context.ldt_ents = descriptors.ldt_entries;
    context.gdt_ents = descriptors.gdt_entries;
    for (std::size_t page = 0; page < descriptors.gdt.size(); ++page)
        if (descriptors.gdt[page].copy.valid())
            context.gdt_frames[page] = descriptors.gdt[page].gfn.raw();
    if (vcpu.kernel_root.valid())
        context.ctrlreg[3] = control_register(vcpu.kernel_root.gfn);
    if (vcpu.user_root.valid())
        context.ctrlreg[1] = control_register(vcpu.user_root.gfn);
}

} // namespace

void get_context(domain::Vcpu& vcpu, vcpu_guest_context_t& context) {
    std::memset(&context, 0, sizeof context); // holes, too: what was there is nobody's to read
    arch::read_legacy_state(vcpu.saved.extended_state, std::as_writable_bytes(std::span{context.fpu_ctxt.x}));
    context.flags = flags_of(vcpu);
    context.user_regs = registers_of(vcpu);
    tell_entry_points(vcpu, context);
    tell_tables(vcpu, context);
    VcpuEnvironment const environment{vcpu};
    for (std::uint32_t const number : {0U, 4U})
        context.ctrlreg[number] = environment.read_control(number).value();
    for (unsigned const number : {0U, 1U, 2U, 3U, 6U, 7U})
        context.debugreg[number] = read_debug_register(vcpu, number);
    context.vm_assist = vcpu.domain.vm_assist.load(std::memory_order_relaxed);
    auto const& segments = vcpu.saved.segments;
    context.fs_base = segments.fs_base;
    context.gs_base_kernel = vcpu.in_kernel() ? segments.gs_base : segments.inactive_gs_base;
    context.gs_base_user = vcpu.in_kernel() ? segments.inactive_gs_base : segments.gs_base;
}

} // namespace guest
