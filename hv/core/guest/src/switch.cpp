#include "guest/switch.hpp"

#include "arch/cpu.hpp"
#include "domain/descriptors.hpp"
#include "domain/domain.hpp"
#include "guest/bounce.hpp"
#include "guest/mode.hpp"

namespace guest {

void save(domain::Vcpu& vcpu, arch::Registers const& registers) {
    vcpu.saved.registers = registers;
    vcpu.saved.segments = arch::read_segments();
    arch::save_extended_state(vcpu.saved.extended_state);
}

base::Status load(domain::Vcpu& vcpu, arch::Registers& registers) {
    registers = vcpu.saved.registers;
    arch::install_root(arch::Root::kernel, vcpu.kernel_root.tables.shadow);
    arch::install_root(arch::Root::user, vcpu.user_root.tables.shadow);
    arch::show_machine_to_phys(vcpu.domain.translated() ? arch::MachineToPhys::identity : arch::MachineToPhys::machine);
    arch::use_root(vcpu.in_kernel() ? arch::Root::kernel : arch::Root::user);
    apply_iopl(vcpu);
    arch::install_gdt(domain::gdt_copies(vcpu));
    arch::install_ldt(domain::ldt_copies(vcpu), vcpu.descriptors.ldt_entries);
    arch::set_guest_cr4(vcpu.cr4);
    arch::set_task_switched(false); // XRSTOR would fault with CR0.TS set
    arch::set_xcr0(vcpu.xcr0);
    arch::load_extended_state(vcpu.saved.extended_state);
    arch::set_task_switched(vcpu.task_switched);
    arch::load_debug_registers(vcpu.debug);
    arch::set_tsc_aux(vcpu.tsc_aux);

    auto const failed = arch::load_segments(vcpu.saved.segments);
    if (failed != 0)
        return bounce_failsafe(vcpu, registers, vcpu.saved.segments);
    return {};
}

void unload() {
    arch::install_root(arch::Root::kernel, base::Mfn{});
    arch::install_root(arch::Root::user, base::Mfn{});
    arch::use_root(arch::Root::kernel);
}

} // namespace guest
