#include "guest/context.hpp"

#include <array>
#include <span>
#include <utility>

#include "arch/cpu.hpp"
#include "context_registers.hpp"
#include "domain/descriptors.hpp"
#include "domain/domain.hpp"
#include "domain/roots.hpp"
#include "emulate/control_policy.hpp"
#include "emulate/descriptor.hpp"
#include "guest/debug.hpp"
#include "guest/environment.hpp"
#include "guest/flags.hpp"

namespace guest {
namespace {

using base::Err;
using base::Error;
using base::Gfn;
using base::Status;

/// The frame in a control register of the ABI (xen_cr3_to_pfn for 64-bit guests: plain).
Gfn root_frame(unsigned long cr3) { return Gfn{(cr3 & 0x000f'ffff'ffff'f000) >> base::kPageShift}; }

bool addresses_canonical(vcpu_guest_context_t const& context) {
    for (auto const address : {context.user_regs.rip, context.user_regs.rsp, context.event_callback_eip,
                               context.failsafe_callback_eip, context.syscall_callback_eip, context.fs_base,
                               context.gs_base_kernel, context.gs_base_user, context.kernel_sp})
        if (!base::canonical(base::Vaddr{address}))
            return false;
    for (auto const& trap : context.trap_ctxt)
        if (!base::canonical(base::Vaddr{trap.address}))
            return false;
    return true;
}

/// As the operation that sets an LDT has it (domain::set_ldt).
bool ldt_good(vcpu_guest_context_t const& context) {
    base::Vaddr const base{context.ldt_base};
    return context.ldt_ents <= 8192 && base.offset() == 0 && (context.ldt_ents == 0 || domain::guest_address(base));
}

arch::Registers registers_from(cpu_user_regs_t const& user) {
    arch::Registers registers{};
    for (auto const& pair : kRegisterPairs)
        registers.*pair.ours = user.*pair.theirs;
    registers.cs = emulate::ring3_selector(user.cs);
    registers.ss = emulate::ring3_selector(user.ss);
    registers.rflags = guest_rflags(user.rflags);
    return registers;
}

void set_plain_state(domain::Vcpu& vcpu, vcpu_guest_context_t const& context) {
    auto const& user = context.user_regs;
    vcpu.saved.registers = registers_from(user);
    bool const in_kernel = (context.flags & VGCF_in_kernel) != 0;
    vcpu.mode = in_kernel ? domain::Mode::kernel : domain::Mode::user;
    vcpu.saved.segments = {.ds = user.ds,
                           .es = user.es,
                           .fs = user.fs,
                           .gs = user.gs,
                           .fs_base = context.fs_base,
                           .gs_base = in_kernel ? context.gs_base_kernel : context.gs_base_user,
                           .inactive_gs_base = in_kernel ? context.gs_base_user : context.gs_base_kernel,
                           // User mode's selectors bring their bases along (Xen's rule for contexts).
                           .fs_base_from_selector = !arch::is_null(user.fs),
                           .gs_base_from_selector = !in_kernel && !arch::is_null(user.gs),
                           .inactive_gs_base_from_selector = in_kernel && !arch::is_null(user.gs)};
    vcpu.iopl = (user.rflags >> kIoplShift) & 3;
    vcpu.kernel_sp = context.kernel_sp;
    vcpu.kernel_ss = emulate::ring3_selector(static_cast<std::uint16_t>(context.kernel_ss));
    for (std::size_t vector = 0; vector < vcpu.traps.size(); ++vector) {
        auto const& trap = context.trap_ctxt[vector];
        vcpu.traps[vector] = {trap.address, emulate::ring3_selector(trap.cs),
                              static_cast<std::uint8_t>(TI_GET_DPL(&trap)), TI_GET_IF(&trap) != 0};
    }
    vcpu.event_callback = {context.event_callback_eip, true};
    // Entering the failsafe callback with events on is never what a guest can bear (docs/abi.md §7).
    vcpu.failsafe_callback = {context.failsafe_callback_eip, true};
    vcpu.syscall_callback = {context.syscall_callback_eip, (context.flags & VGCF_syscall_disables_events) != 0};
    vcpu.task_switched = (context.ctrlreg[0] & emulate::kCr0TaskSwitched) != 0;
    vcpu.cr4 = VcpuEnvironment{vcpu}.allowed_cr4(context.ctrlreg[4]);
    vcpu.debug = {};
    for (unsigned const number : {0U, 1U, 2U, 3U, 6U, 7U})
        set_saved_debug_register(vcpu, number, context.debugreg[number]);
    arch::init_extended_state(vcpu.saved.extended_state);
    if ((context.flags & VGCF_i387_valid) != 0)
        arch::write_legacy_state(vcpu.saved.extended_state, std::as_bytes(std::span{context.fpu_ctxt.x}));
}

/// Descriptors and roots. What takes long comes last, and is continued by making the call again.
Status take_tables(domain::Vcpu& vcpu, vcpu_guest_context_t const& context) {
    std::array<Gfn, 14> frames{};
    std::size_t const count = (context.gdt_ents + 511) / 512;
    for (std::size_t i = 0; i < count; ++i)
        frames[i] = Gfn{context.gdt_frames[i]};
    TRY(domain::set_gdt(vcpu, std::span{frames}.first(count), static_cast<std::uint32_t>(context.gdt_ents)));
    vcpu.descriptors.ldt_base = base::Vaddr{context.ldt_base};
    vcpu.descriptors.ldt_entries = static_cast<std::uint32_t>(context.ldt_ents);
    Gfn const user = context.ctrlreg[1] != 0 ? root_frame(context.ctrlreg[1]) : Gfn{};
    TRY(domain::set_root(vcpu, arch::Root::user, user));
    return domain::set_root(vcpu, arch::Root::kernel, root_frame(context.ctrlreg[3]));
}

/// Gives back what a refused context had taken; the reason for the refusal is the last thing that is said.
Status give_back_tables(domain::Vcpu& vcpu) {
    auto const reason = *vcpu.refused_context;
    TRY(reset_context(vcpu));
    return Err{reason};
}

} // namespace

Status reset_context(domain::Vcpu& vcpu) {
    vcpu.initialised.store(false, std::memory_order_release);
    TRY(domain::set_root(vcpu, arch::Root::kernel, Gfn{}));
    TRY(domain::set_root(vcpu, arch::Root::user, Gfn{}));
    domain::drop_descriptors(vcpu);
    vcpu.refused_context.reset();
    return {};
}

Status set_context(domain::Vcpu& vcpu, vcpu_guest_context_t const& context) {
    if (vcpu.refused_context)
        return give_back_tables(vcpu);
    if (!addresses_canonical(context) || context.gdt_ents > domain::kGuestGdtEntries || !ldt_good(context))
        return Err{Error::invalid};
    if ((context.flags & VGCF_in_kernel) == 0 && context.ctrlreg[1] == 0)
        return Err{Error::invalid};

    Status const taken = take_tables(vcpu, context);
    if (!taken && taken.error() != Error::preempted) {
        vcpu.refused_context = taken.error();
        return give_back_tables(vcpu);
    }
    TRY(taken);

    set_plain_state(vcpu, context);
    vcpu.initialised.store(true, std::memory_order_release);
    return {};
}

} // namespace guest
