#include "domain/trace.hpp"

#include <algorithm>

#include "arch/cpu.hpp"
#include "console/global.hpp"
#include "domain/domain.hpp"
#include "domain/guest_memory.hpp"
#include "domain/system.hpp"

namespace domain {
namespace {

using base::Vaddr;
using console::Level;

constexpr bool kPrintRefusals = base::kDebug;

constexpr std::array<char const*, 10> kRefusals = {
    "reserved bits",
    "the frame has another use",
    "a table must be own RAM",
    "no such frame, or no right to it",
    "a slot of the hypervisor's",
    "pinned already",
    "not pinned",
    "no table there",
    "the entry is lent",
    "misaligned",
};

char const* name(shadow_pt::Refusal refusal) {
    auto const index = static_cast<std::size_t>(refusal);
    return index < kRefusals.size() ? kRefusals[index] : "unknown";
}

void print_walk(Vcpu& vcpu, Vaddr address) {
    auto const& root = vcpu.root_of(vcpu.mode);
    if (!root.valid() || !guest_address(address))
        return;
    auto const walk = vcpu.domain.paging.walk(root.tables, address);
    for (unsigned i = 0; i < walk.steps; ++i)
        console::always("    L{}: {} guest {:#018x}  shadow {} {:#018x}", 4 - i, walk.step[i].table,
                        walk.step[i].guest_entry, walk.step[i].shadow, walk.step[i].shadow_entry);
}

/// What may be return addresses on the stack from @p at on.
void print_stack(Vcpu& vcpu, Vaddr at) {
    constexpr unsigned kWords = 1024;
    constexpr unsigned kMost = 64;                              // the serial line is slow
    constexpr std::uint64_t kLinuxText = 0xffff'ffff'8000'0000; // and that of most kernels
    for (unsigned i = 0, shown = 0; i < kWords && shown < kMost; ++i) {
        auto const word = read_guest<std::uint64_t>(vcpu, at + i * sizeof(std::uint64_t));
        if (!word)
            return;
        if (word.value() < kLinuxText)
            continue;
        ++shown;
        console::always("    stack {:#x}: {:#018x}", (at + i * sizeof(std::uint64_t)).raw(), word.value());
    }
}

} // namespace

void trace_refusal(Vcpu const& vcpu, std::uint64_t number, std::array<std::uint64_t, 6> const& args, base::Error why) {
    if constexpr (kPrintRefusals)
        console::guest(Level::debug, "{}{}: hypercall {}({:#x}, {:#x}, {:#x}, {:#x}): {}", vcpu.domain.id, vcpu.id,
                       number, args[0], args[1], args[2], args[3], why);
}

void trace_paging_refusal(Domain const& domain, shadow_pt::Refusal why, base::Gfn gfn) {
    if constexpr (kPrintRefusals)
        console::guest(Level::debug, "{}: page table refused: {} ({})", domain.id, name(why), gfn);
}

void dump_trace(System& system) {
    for (std::uint32_t cpu = 0; cpu < arch::online_cpus(); ++cpu)
        system.cpus[cpu].calls.for_each([&](CallRecord const& record) {
            console::always("{} {} {}{}: hypercall {}({:#x}, {:#x}, {:#x})", base::CpuId{cpu}, record.tsc,
                            base::DomId{record.domain}, base::VcpuId{record.vcpu}, record.number, record.args[0],
                            record.args[1], record.args[2]);
        });
}

void dump_vcpu(Vcpu& vcpu, arch::Registers const* live) {
    auto const& at = live != nullptr ? *live : vcpu.saved.registers;
    auto const* const info = vcpu.info();
    console::always("{}{}: {} mode, {}{}{}", vcpu.domain.id, vcpu.id, vcpu.in_kernel() ? "kernel" : "user",
                    vcpu.down               ? "down"
                    : vcpu.entity.blocked() ? "blocked"
                                            : "runnable",
                    live ? ", on this CPU" : "", vcpu.initialised ? "" : ", no context");
    if (info != nullptr)
        console::always("    upcall pending {} mask {} selector {:#x}", info->evtchn_upcall_pending,
                        info->evtchn_upcall_mask, info->evtchn_pending_sel);
    console::always("    rip {:#018x} cs {:#06x} rflags {:#010x} vector {} error {:#x}", at.rip, at.cs, at.rflags,
                    at.vector, at.error_code);
    console::always("    rsp {:#018x} ss {:#06x} rax {:#018x} rbx {:#018x}", at.rsp, at.ss, at.rax, at.rbx);
    console::always("    rcx {:#018x} rdx {:#018x} rsi {:#018x} rdi {:#018x}", at.rcx, at.rdx, at.rsi, at.rdi);
    console::always("    rbp {:#018x} r8  {:#018x} r9  {:#018x} r10 {:#018x}", at.rbp, at.r8, at.r9, at.r10);
    console::always("    r11 {:#018x} r12 {:#018x} r13 {:#018x} r14 {:#018x}", at.r11, at.r12, at.r13, at.r14);
    console::always("    r15 {:#018x} kernel root {} user root {}", at.r15, vcpu.kernel_root.gfn, vcpu.user_root.gfn);
    print_walk(vcpu, Vaddr{at.rip});
    if (info != nullptr && at.vector == 14)
        print_walk(vcpu, Vaddr{info->arch.cr2});
    if (live != nullptr && vcpu.domain.privileged)
        print_stack(vcpu, Vaddr{at.rsp});
}

void dump_domain(Domain& domain) {
    auto const pool = domain.host.pool().size();
    auto const& counters = domain.paging.counters();
    console::always("{}: {}, {} of {} pages, shadows {} of {} pages, at most {}", domain.id,
                    domain.translated() ? "translated" : "direct", domain.system.quotas[domain.id.raw()].total(),
                    domain.system.quotas[domain.id.raw()].limit(), pool.in_use, pool.pages, pool.limit);
    console::always("    shadows evicted {}: above L1 {}, in use {}, new {}; filled again {}; tables without one {}, "
                    "made so {}, unread {}",
                    counters.shadows_evicted.load(), counters.uppers_evicted.load(), counters.evicted_in_use.load(),
                    counters.evicted_new.load(), counters.shadows_filled.load(), domain.paging.bare_tables(),
                    counters.tables_without_shadow.load(), counters.tables_unread.load());
    console::always("    tables built {} torn {}, updates {}, stores {}, hidden faults {}, guest faults {}, refused {}",
                    counters.tables_built.load(), counters.tables_torn.load(), counters.entries_updated.load(),
                    counters.stores_emulated.load(), counters.hidden_faults.load(), counters.guest_faults.load(),
                    counters.refusals.load());
    for (Vcpu* const vcpu : domain.vcpus)
        dump_vcpu(*vcpu, nullptr);
}

void dump_all_domains(System& system) {
    for (auto& slot : system.domains)
        if (Domain* const domain = slot.load())
            dump_domain(*domain);
}

} // namespace domain
