/// Hypercalls, by a bare SYSCALL as Debian's Linux makes them (docs/abi.md §3.0). Each answers 0 or a count, or one of
/// the negative numbers below; the types are those of Xen's public headers.
#pragma once

#include <cstdint>
#include <type_traits>

#include "abi/xen.hpp"

namespace lib {

/// Xen's error numbers as a hypercall answers them: -EINVAL and so on.
enum Errno : std::int64_t {
#define XEN_ERRNO(name, value) k##name = -(value),
#include <xen/errno.h>
};

/// What SYSCALL carries: a number, five arguments. RCX and R11 are lost to the instruction itself.
inline std::int64_t raw_hypercall(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
                                  std::uint64_t d = 0, std::uint64_t e = 0) {
    std::int64_t result = 0;
    register std::uint64_t r10 asm("r10") = d;
    register std::uint64_t r8 asm("r8") = e;
    asm volatile("syscall"
                 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
                 : "a"(number)
                 : "rcx", "r11", "memory");
    return result;
}

/// An argument as the register that carries it.
template <typename T> std::uint64_t word([[maybe_unused]] T value) {
    if constexpr (std::is_null_pointer_v<T>)
        return 0;
    else if constexpr (std::is_pointer_v<T>)
        return reinterpret_cast<std::uint64_t>(value);
    else
        return static_cast<std::uint64_t>(value);
}

/// Any hypercall; arguments are numbers or pointers.
template <typename... Args> std::int64_t hypercall(std::uint64_t number, Args... args) {
    return raw_hypercall(number, word(args)...);
}

// The hypercalls that are one function with its own arguments...
inline std::int64_t set_trap_table(trap_info_t const* table) { return hypercall(__HYPERVISOR_set_trap_table, table); }
inline std::int64_t mmu_updates(mmu_update_t const* updates, std::uint64_t count, unsigned* done = nullptr,
                                std::uint64_t domain = DOMID_SELF) {
    return hypercall(__HYPERVISOR_mmu_update, updates, count, done, domain);
}
inline std::int64_t set_gdt(std::uint64_t const* frames, std::uint64_t entries) {
    return hypercall(__HYPERVISOR_set_gdt, frames, entries);
}
inline std::int64_t stack_switch(std::uint64_t ss, std::uint64_t sp) {
    return hypercall(__HYPERVISOR_stack_switch, ss, sp);
}
inline std::int64_t fpu_taskswitch(bool set) { return hypercall(__HYPERVISOR_fpu_taskswitch, set); }
inline std::int64_t set_debugreg(unsigned index, std::uint64_t value) {
    return hypercall(__HYPERVISOR_set_debugreg, index, value);
}
inline std::uint64_t get_debugreg(unsigned index) {
    return static_cast<std::uint64_t>(hypercall(__HYPERVISOR_get_debugreg, index));
}
inline std::int64_t update_descriptor(std::uint64_t machine_address, std::uint64_t descriptor) {
    return hypercall(__HYPERVISOR_update_descriptor, machine_address, descriptor);
}
inline std::int64_t multicall(multicall_entry* calls, std::uint64_t count) {
    return hypercall(__HYPERVISOR_multicall, calls, count);
}
template <typename Va> std::int64_t update_va_mapping(Va va, std::uint64_t entry, std::uint64_t flags = UVMF_INVLPG) {
    return hypercall(__HYPERVISOR_update_va_mapping, va, entry, flags);
}
template <typename Va>
std::int64_t update_va_mapping_otherdomain(Va va, std::uint64_t entry, std::uint64_t domain,
                                           std::uint64_t flags = UVMF_INVLPG) {
    return hypercall(__HYPERVISOR_update_va_mapping_otherdomain, va, entry, flags, domain);
}
inline std::int64_t set_callbacks(std::uint64_t event, std::uint64_t failsafe, std::uint64_t syscall) {
    return hypercall(__HYPERVISOR_set_callbacks, event, failsafe, syscall);
}
inline std::int64_t set_timer_op(std::uint64_t when) { return hypercall(__HYPERVISOR_set_timer_op, when); }
inline std::int64_t console_io(unsigned command, std::uint64_t size, void const* text) {
    return hypercall(__HYPERVISOR_console_io, command, size, text);
}
inline std::int64_t vm_assist(unsigned command, unsigned type) {
    return hypercall(__HYPERVISOR_vm_assist, command, type);
}
inline std::int64_t set_segment_base(unsigned which, std::uint64_t value) {
    return hypercall(__HYPERVISOR_set_segment_base, which, value);
}
inline std::int64_t mmuext_ops(struct mmuext_op const* operations, std::uint64_t count, unsigned* done = nullptr,
                               std::uint64_t domain = DOMID_SELF) {
    return hypercall(__HYPERVISOR_mmuext_op, operations, count, done, domain);
}

// ...and those that are a command with an argument.
inline std::int64_t memory_op(unsigned command, void* argument) {
    return hypercall(__HYPERVISOR_memory_op, command, argument);
}
inline std::int64_t xen_version(unsigned command, void* argument = nullptr) {
    return hypercall(__HYPERVISOR_xen_version, command, argument);
}
inline std::int64_t grant_table_op(unsigned command, void* operations, unsigned count = 1) {
    return hypercall(__HYPERVISOR_grant_table_op, command, operations, count);
}
inline std::int64_t vcpu_op(unsigned command, unsigned vcpu, void const* argument = nullptr) {
    return hypercall(__HYPERVISOR_vcpu_op, command, vcpu, argument);
}
inline std::int64_t sched_op(unsigned command, void const* argument = nullptr) {
    return hypercall(__HYPERVISOR_sched_op, command, argument);
}
inline std::int64_t callback_op(unsigned command, void const* argument) {
    return hypercall(__HYPERVISOR_callback_op, command, argument);
}
inline std::int64_t event_channel_op(unsigned command, void* argument) {
    return hypercall(__HYPERVISOR_event_channel_op, command, argument);
}
inline std::int64_t physdev(unsigned command, void* argument) {
    return hypercall(__HYPERVISOR_physdev_op, command, argument);
}

} // namespace lib
