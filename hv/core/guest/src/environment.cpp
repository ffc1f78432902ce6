#include "guest/environment.hpp"

#include <array>

#include "domain/domain.hpp"
#include "domain/guest_memory.hpp"
#include "domain/system.hpp"
#include "emulate/control_policy.hpp"
#include "emulate/port_policy.hpp"
#include "guest/debug.hpp"
#include "guest/mode.hpp"

namespace guest {
namespace {

using base::Vaddr;
using emulate::MemoryFault;

// Error-code bits of a page fault (SDM vol. 3A §4.7).
constexpr std::uint32_t kWrite = 2;
constexpr std::uint32_t kUser = 4;

/// What the guest's own access to @p at would have raised. The emulator's copies tell no more than that they failed:
/// not present is what Linux' fix-ups look for.
MemoryFault fault_at(Vaddr at, domain::Vcpu const& vcpu, bool write) {
    return {.address = at, .error_code = (write ? kWrite : 0) | (vcpu.in_kernel() ? 0 : kUser)};
}

} // namespace

emulate::DomainKind VcpuEnvironment::kind() const {
    auto const& domain = vcpu_.domain;
    if (domain.privileged)
        return emulate::DomainKind::hardware;
    return domain.translated() ? emulate::DomainKind::translated : emulate::DomainKind::direct;
}

std::optional<std::uint64_t> VcpuEnvironment::read_control(std::uint32_t number) const {
    switch (number) {
    case 0: return emulate::visible_cr0(vcpu_.task_switched);
    case 2: return vcpu_.info()->arch.cr2;
    case 3: return vcpu_.kernel_root.gfn.raw() << base::kPageShift;
    case 4: return emulate::visible_cr4(vcpu_.cr4);
    default: return std::nullopt;
    }
}

bool VcpuEnvironment::offered(std::uint32_t leaf, std::uint32_t arch::CpuidResult::*where, unsigned bit) const {
    return ((cpuid(leaf, 0, emulate::CpuidView::forced).*where >> bit) & 1) != 0;
}

std::uint64_t VcpuEnvironment::allowed_cr4(std::uint64_t value) const {
    bool const fsgsbase = offered(7, &arch::CpuidResult::ebx, 0);
    bool const xsave = offered(1, &arch::CpuidResult::ecx, 26);
    return emulate::written_cr4(value, fsgsbase, xsave);
}

bool VcpuEnvironment::write_control(std::uint32_t number, std::uint64_t value) {
    switch (number) {
    case 0: {
        auto const task_switched = emulate::written_cr0(value);
        if (!task_switched)
            return false;
        vcpu_.task_switched = task_switched.value();
        arch::set_task_switched(vcpu_.task_switched);
        return true;
    }
    case 2: vcpu_.info()->arch.cr2 = value; return true;
    case 4:
        vcpu_.cr4 = allowed_cr4(value);
        arch::set_guest_cr4(vcpu_.cr4);
        return true;
    default: return false; // CR3 is changed by hypercall only; CR8 is not the guest's
    }
}

std::optional<std::uint64_t> VcpuEnvironment::read_debug(std::uint32_t number) const {
    return read_debug_register(vcpu_, number);
}

bool VcpuEnvironment::write_debug(std::uint32_t number, std::uint64_t value) {
    return write_debug_register(vcpu_, number, value).ok();
}

unsigned VcpuEnvironment::iopl() const { return effective_iopl(vcpu_); }

bool VcpuEnvironment::write_xcr0(std::uint64_t value) {
    if (!emulate::valid_xcr0(value, arch::supported_xcr0()))
        return false;
    vcpu_.xcr0 = value;
    arch::set_xcr0(value);
    return true;
}

arch::CpuidResult VcpuEnvironment::cpuid(std::uint32_t leaf, std::uint32_t subleaf, emulate::CpuidView view) const {
    auto const khz = static_cast<std::uint32_t>(arch::tsc_khz());
    auto const to_ns = vcpu_.domain.system.clock.to_ns();
    emulate::CpuidFacts const facts{.kind = kind(),
                                    .vcpu = vcpu_.id,
                                    .guest_cr4 = vcpu_.cr4,
                                    .guest_xcr0 = vcpu_.xcr0,
                                    .offered_xcr0 = arch::supported_xcr0(),
                                    .tsc_khz = khz,
                                    .host_tsc_khz = khz,
                                    .tsc_offset = 0, // guests read the TSC as it is
                                    .tsc_to_ns_mul = to_ns.multiplier,
                                    .tsc_to_ns_shift = to_ns.shift,
                                    .tsc_mode = vcpu_.domain.tsc_mode.load(std::memory_order_relaxed),
                                    .tsc_incarnation = vcpu_.domain.tsc_incarnation.load(std::memory_order_relaxed),
                                    .tsc_stable = arch::tsc_stable(),
                                    .machine_address_bits = vcpu_.domain.system.machine_address_bits};
    return emulate::guest_cpuid(leaf, subleaf, view, facts, arch::cpuid);
}

void VcpuEnvironment::write_back_caches() const {
    // Only who programs DMA can have a reason; it stalls the whole machine.
    if (vcpu_.domain.privileged)
        arch::write_back_caches();
}

bool VcpuEnvironment::bitmap_allows(std::uint16_t port, unsigned bytes) const {
    if (vcpu_.io_bitmap.raw() == 0)
        return false;
    auto const read_byte = [&](Vaddr at) -> std::optional<std::uint8_t> {
        std::array<std::byte, 1> byte{};
        if (!domain::copy_from_guest(vcpu_, domain::Mode::kernel, byte, at))
            return std::nullopt;
        return static_cast<std::uint8_t>(byte[0]);
    };
    return emulate::io_bitmap_allows(vcpu_.io_bitmap, vcpu_.io_bitmap_ports, port, bytes, read_byte);
}

std::uint32_t VcpuEnvironment::port_in(std::uint16_t port, unsigned bytes) {
    return vcpu_.domain.system.ports.read(vcpu_.domain, kind(), port, bytes);
}

void VcpuEnvironment::port_out(std::uint16_t port, unsigned bytes, std::uint32_t value) {
    vcpu_.domain.system.ports.write(vcpu_.domain, kind(), port, bytes, value);
}

std::optional<MemoryFault> VcpuEnvironment::probe_write(Vaddr at, unsigned bytes) const {
    for (Vaddr page = at.page(); page < at + bytes; page = page + base::kPageSize)
        if (!domain::writable(vcpu_, page < at ? at : page))
            return fault_at(page < at ? at : page, vcpu_, true);
    return std::nullopt;
}

std::optional<MemoryFault> VcpuEnvironment::copy_from_guest(std::span<std::byte> into, Vaddr at) const {
    if (domain::copy_from_guest(vcpu_, vcpu_.mode, into, at))
        return std::nullopt;
    return fault_at(at, vcpu_, false);
}

std::optional<MemoryFault> VcpuEnvironment::copy_to_guest(Vaddr at, std::span<std::byte const> from) const {
    if (domain::copy_to_guest(vcpu_, vcpu_.mode, at, from))
        return std::nullopt;
    return fault_at(at, vcpu_, true);
}

} // namespace guest
