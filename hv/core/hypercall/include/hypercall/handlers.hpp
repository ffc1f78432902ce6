/// All handlers, in the order of their numbers (<xen/xen.h>, __HYPERVISOR_*); docs/abi-coverage.md says how complete
/// each is. iret (23) is not here: it has no result, the dispatcher does it itself.
#pragma once

#include "hypercall/call.hpp"

namespace hypercall {

using Handler = Answer (*)(Call&);

Answer set_trap_table(Call& call);
Answer mmu_update(Call& call);
Answer set_gdt(Call& call);
Answer stack_switch(Call& call);
Answer set_callbacks(Call& call);
Answer fpu_taskswitch(Call& call);
Answer platform_op(Call& call);
Answer set_debugreg(Call& call);
Answer get_debugreg(Call& call);
Answer update_descriptor(Call& call);
Answer machine_check(Call& call);
Answer memory_op(Call& call);
Answer multicall(Call& call);
Answer update_va_mapping(Call& call);
Answer set_timer_op(Call& call);
Answer xen_version(Call& call);
Answer console_io(Call& call);
Answer grant_table_op(Call& call);
Answer vm_assist(Call& call);
Answer update_va_mapping_otherdomain(Call& call);
Answer vcpu_op(Call& call);
Answer set_segment_base(Call& call);
Answer mmuext_op(Call& call);
Answer nmi_op(Call& call);
Answer sched_op(Call& call);
Answer callback_op(Call& call);
Answer event_channel_op(Call& call);
Answer physdev_op(Call& call);
Answer xenpmu_op(Call& call);
Answer sysctl(Call& call);
Answer domctl(Call& call);
Answer tern_op(Call& call); ///< our own

/// The handler of call @p number; null if there is none (-ENOSYS).
Handler find_handler(std::uint64_t number);

} // namespace hypercall
