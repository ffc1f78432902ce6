#include "x86/interrupts.hpp"

#include <atomic>
#include <cstring>

#include "arch/cpu.hpp"
#include "arch/upcalls.hpp"
#include "base/assert.hpp"
#include "x86/address_map.hpp"
#include "x86/control.hpp"
#include "x86/cpu_area.hpp"
#include "x86/descriptors.hpp"
#include "x86/features.hpp"
#include "x86/fixup.hpp"
#include "x86/local_apic.hpp"
#include "x86/sealed.hpp"
#include "x86/vectors.hpp"

extern "C" {
extern char const trap_stubs[], resume_iret[];
extern std::int32_t const fixups_start[], fixups_end[];
extern std::int32_t const clac_sites_start[], clac_sites_end[];
[[noreturn]] void retry_resume();
void on_guest_trap(arch::Registers* frame);
void on_hypervisor_trap(arch::Registers* frame);
}

namespace x86 {

namespace {

SEALED Gate interrupt_table[256];
std::atomic<bool> stopping{false};

/// Relative to where it stands.
template <typename T> std::uint64_t target(T const& relative) {
    return reinterpret_cast<std::uint64_t>(&relative) + static_cast<std::uint64_t>(std::int64_t{relative});
}

Ist stack_of(std::uint32_t vector) {
    switch (vector) {
    case kDebug: return Ist::debug;
    case kNmi: return Ist::nmi;
    case kDoubleFault: return Ist::double_fault;
    case kMachineCheck: return Ist::machine_check;
    default: return Ist::none;
    }
}

bool open_to_ring3(std::uint32_t vector) {
    return vector == kBreakpoint || vector == kOverflow || vector == kLegacySystemCall;
}

void deliver(std::uint32_t vector) {
    if (vector == kSpurious || (vector >= kLegacyPics && vector < kLegacyPics + 16))
        return; // nobody waits for its end
    // A level-triggered line is masked in there; told of the end before, its I/O APIC would send it again.
    if (vector != kTimer)
        arch::on_interrupt(vector);
    else if (timer_due())
        arch::on_timer();
    end_of_interrupt();
}

/// IRET took the guest's registers out of the frame and then faulted: they are in @p fault now. Puts them back where
/// they were; RIP, CS, flags, RSP and SS still are there. @p fault lies lower, and overlaps.
[[noreturn]] void put_together_again(arch::Registers const& fault) {
    auto* const frame = cpu_area.frame();
    auto const error_code = fault.error_code;
    auto const vector = fault.vector;
    std::memmove(frame, &fault, offsetof(arch::Registers, error_code));
    frame->error_code = error_code;
    frame->vector = vector;
    retry_resume();
}

} // namespace

std::uint64_t find_fixup(std::uint64_t rip) {
    for (auto const* fixup = fixups_start; fixup != fixups_end; fixup += 2)
        if (target(fixup[0]) == rip)
            return target(fixup[1]);
    return 0;
}

void build_interrupt_table() {
    for (std::uint32_t vector = 0; vector < 256; ++vector) {
        auto const stub = reinterpret_cast<std::uint64_t>(trap_stubs) + 16 * vector;
        interrupt_table[vector] = Gate{stub, stack_of(vector), open_to_ring3(vector) ? 3U : 0U};
    }
}

void load_interrupt_table() {
    load_idt({sizeof interrupt_table - 1, reinterpret_cast<std::uint64_t>(interrupt_table)});
}

void patch_entry_paths() {
    constexpr unsigned char kClac[] = {0x0f, 0x01, 0xca};
    if (features().smap)
        for (auto const* site = clac_sites_start; site != clac_sites_end; ++site)
            std::memcpy(reinterpret_cast<void*>(target(*site)), kClac, sizeof kClac);
}

void stop_other_cpus() {
    stopping.store(true, std::memory_order_seq_cst);
    if (arch::online_cpus() > 1)
        send_nmi_to_others();
}

} // namespace x86

/// A guest was interrupted, or caused an exception.
void on_guest_trap(arch::Registers* frame) {
    if (x86::is_interrupt(frame->vector))
        x86::deliver(frame->vector);
    arch::on_guest_exit(frame);
}

/// The hypervisor was interrupted (it waits for that when idle), or caused an exception.
void on_hypervisor_trap(arch::Registers* frame) {
    using namespace x86;
    if (is_interrupt(frame->vector))
        return deliver(frame->vector);
    if (frame->vector == kNmi && stopping.load(std::memory_order_relaxed))
        stop();
    if (frame->vector == kDebug && (frame->cs & 3) == 0) {
        // A guest's debug registers, or its TF at SYSENTER: its own loss. It must not come again at once.
        frame->rflags = (frame->rflags & ~kFlagsTf) | kFlagsRf;
        return;
    }
    if (frame->vector < kExceptions && frame->vector != kDoubleFault && frame->vector != kMachineCheck &&
        frame->vector != kNmi) {
        if (frame->rip == reinterpret_cast<std::uint64_t>(resume_iret))
            put_together_again(*frame);
        if (auto const next = find_fixup(frame->rip); next != 0) {
            frame->rip = next;
            return;
        }
    }
    on_hypervisor_fault(*frame);
}
