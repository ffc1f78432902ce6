#include "hypercall/dispatch.hpp"

#include <algorithm>
#include <array>

#include "abi/errno.hpp"
#include "abi/machine_check.hpp"
#include "abi/tern.h"
#include "abi/xen.hpp"
#include "domain/lifecycle.hpp"
#include "domain/preemption.hpp"
#include "domain/trace.hpp"
#include "domain/translation.hpp"
#include "guest/iret.hpp"
#include "hypercall/batch.hpp"
#include "hypercall/handlers.hpp"

namespace hypercall {
namespace {

constexpr std::uint64_t kSyscallLength = 2; // 0f 05
constexpr std::size_t kHandlers = 64;       // Xen's numbers end at 55

constexpr std::array<Handler, kHandlers> make_table() {
    std::array<Handler, kHandlers> table{};
    table[__HYPERVISOR_set_trap_table] = set_trap_table;
    table[__HYPERVISOR_mmu_update] = mmu_update;
    table[__HYPERVISOR_set_gdt] = set_gdt;
    table[__HYPERVISOR_stack_switch] = stack_switch;
    table[__HYPERVISOR_set_callbacks] = set_callbacks;
    table[__HYPERVISOR_fpu_taskswitch] = fpu_taskswitch;
    table[__HYPERVISOR_platform_op] = platform_op;
    table[__HYPERVISOR_set_debugreg] = set_debugreg;
    table[__HYPERVISOR_get_debugreg] = get_debugreg;
    table[__HYPERVISOR_update_descriptor] = update_descriptor;
    table[__HYPERVISOR_memory_op] = memory_op;
    table[__HYPERVISOR_multicall] = multicall;
    table[__HYPERVISOR_update_va_mapping] = update_va_mapping;
    table[__HYPERVISOR_set_timer_op] = set_timer_op;
    table[__HYPERVISOR_xen_version] = xen_version;
    table[__HYPERVISOR_console_io] = console_io;
    table[__HYPERVISOR_grant_table_op] = grant_table_op;
    table[__HYPERVISOR_vm_assist] = vm_assist;
    table[__HYPERVISOR_update_va_mapping_otherdomain] = update_va_mapping_otherdomain;
    table[__HYPERVISOR_vcpu_op] = vcpu_op;
    table[__HYPERVISOR_set_segment_base] = set_segment_base;
    table[__HYPERVISOR_mmuext_op] = mmuext_op;
    table[__HYPERVISOR_nmi_op] = nmi_op;
    table[__HYPERVISOR_sched_op] = sched_op;
    table[__HYPERVISOR_callback_op] = callback_op;
    table[__HYPERVISOR_event_channel_op] = event_channel_op;
    table[__HYPERVISOR_physdev_op] = physdev_op;
    table[__HYPERVISOR_sysctl] = sysctl;
    table[__HYPERVISOR_domctl] = domctl;
    table[__HYPERVISOR_xenpmu_op] = xenpmu_op;
    table[__HYPERVISOR_mca] = machine_check;
    table[__HYPERVISOR_tern_op] = tern_op;
    return table;
}
constexpr auto kTable = make_table();

/// Puts a preempted call's arguments back where the guest's next SYSCALL takes them from.
void rewind(arch::Registers& registers, std::array<std::uint64_t, 6> const& args) {
    registers.rdi = args[0];
    registers.rsi = args[1];
    registers.rdx = args[2];
    registers.r10 = args[3];
    registers.r8 = args[4];
    registers.rip -= kSyscallLength;
}

struct Read {
    base::Vaddr at;
    std::size_t size = 0;
};

template <typename Request> Read requests(arch::Registers const& registers) {
    base::Vaddr const at{registers.rdi};
    auto const count = static_cast<std::uint32_t>(registers.rsi) & ~kContinued;
    return {at, count == 0 ? 0 : Requests<Request>::together(at, count) * sizeof(Request)};
}
Read structure(std::uint64_t pointer) {
    constexpr std::size_t kMost = 32; // of these calls' structures
    base::Vaddr const at{pointer};
    return {at, std::min<std::size_t>(kMost, base::kPageSize - at.offset())};
}

/// What the most frequent calls read before anything else.
Read first_read(arch::Registers const& registers) {
    switch (registers.rax) {
    case __HYPERVISOR_mmu_update: return requests<mmu_update_t>(registers);
    case __HYPERVISOR_mmuext_op: return requests<struct ::mmuext_op>(registers);
    case __HYPERVISOR_multicall: return requests<multicall_entry_t>(registers);
    case __HYPERVISOR_event_channel_op:
    case __HYPERVISOR_physdev_op:
    case __HYPERVISOR_sched_op: return structure(registers.rsi);
    case __HYPERVISOR_vcpu_op: return structure(registers.rdx);
    default: return {};
    }
}

} // namespace

Handler find_handler(std::uint64_t number) { return number < kTable.size() ? kTable[number] : nullptr; }

void read_ahead(domain::Vcpu& vcpu, arch::Registers const& registers) {
    auto& cpu = vcpu.domain.system.this_cpu();
    cpu.ahead.forget();
    auto const [at, size] = first_read(registers);
    if (size == 0 || size > domain::ReadAhead::kMost)
        return;
    if (auto const found = cpu.kernel_pages.find(at, size); found.valid())
        cpu.ahead.keep(at, {arch::direct_map(found) + at.offset(), size});
}

void dispatch(domain::Vcpu& vcpu, arch::Registers& registers) {
    auto const number = registers.rax;
    if (number == __HYPERVISOR_iret) {
        if (!guest::iret(vcpu, registers))
            domain::crash(vcpu.domain, "iret: the frame cannot be read, or there is no user root", registers);
        return;
    }
    Handler const handler = find_handler(number);
    if (handler == nullptr) {
        registers.rax = static_cast<std::uint64_t>(abi::to_errno(base::Error::not_implemented));
        return;
    }
    auto& debt = vcpu.domain.system.this_cpu().debt;
    Call call{.vcpu = vcpu,
              .registers = registers,
              .args = {registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9},
              .debt = debt};
    domain::start_slice(vcpu);
    domain::trace_hypercall(vcpu, number, call.args);
    // Zero before the call: a call that blocks or suspends answers 0 later, from saved registers.
    registers.rax = 0;
    Answer const answer = handler(call);
    domain::pay(vcpu.domain, debt);
    if (answer) {
        registers.rax = static_cast<std::uint64_t>(answer.value());
    } else if (answer.error() == base::Error::preempted) {
        registers.rax = number;
        rewind(registers, call.args);
    } else {
        domain::trace_refusal(vcpu, number, call.args, answer.error());
        registers.rax = static_cast<std::uint64_t>(abi::to_errno(answer.error()));
    }
}

// The entries are carried out in order, each with its own result; an error in one does not stop the next. A preempted
// entry's edited arguments go back into the guest's array, and the multicall goes on with what is left.
Answer multicall(Call& call) {
    Requests<multicall_entry_t> entries{call};
    std::uint32_t const count = call.u32(1);
    auto const resume_at = [&](std::uint32_t index) {
        call.args[0] = entries.at(index).raw();
        call.args[1] = count - index;
        return base::Err{base::Error::preempted};
    };
    for (std::uint32_t i = 0; i < count; ++i) {
        if (i != 0 && domain::should_yield(call.vcpu))
            return resume_at(i);
        auto entry = TRY(entries.read(i, count)).front();
        Handler const handler = find_handler(entry.op);
        // A multicall within a multicall would nest without bound.
        if (handler == multicall) {
            entry.result = static_cast<std::uint64_t>(abi::to_errno(base::Error::invalid));
        } else if (handler == nullptr) {
            entry.result = static_cast<std::uint64_t>(abi::to_errno(base::Error::not_implemented));
        } else {
            Call inner{.vcpu = call.vcpu, .registers = call.registers, .args = {}, .debt = call.debt};
            for (unsigned k = 0; k < inner.args.size(); ++k)
                inner.args[k] = entry.args[k];
            domain::trace_hypercall(call.vcpu, entry.op, inner.args);
            Answer const answer = handler(inner);
            if (!answer && answer.error() == base::Error::preempted) {
                for (unsigned k = 0; k < inner.args.size(); ++k)
                    entry.args[k] = inner.args[k];
                TRY(domain::write_guest(call.vcpu, entries.at(i), entry));
                return resume_at(i);
            }
            if (!answer)
                domain::trace_refusal(call.vcpu, entry.op, inner.args, answer.error());
            entry.result = static_cast<std::uint64_t>(answer ? answer.value() : abi::to_errno(answer.error()));
        }
        TRY(domain::write_guest(call.vcpu, entries.at(i) + offsetof(multicall_entry_t, result), entry.result));
    }
    return 0;
}

} // namespace hypercall
