/// Bouncing: entering the guest's kernel at one of its entry points, with a frame on its stack that says what was
/// interrupted. The one way in which exceptions, events and system calls reach a PV kernel (docs/abi.md §4.5).
///
/// The frame, from low addresses to high:
///
///     rcx  r11  [error code]  rip  cs | saved upcall mask << 32  rflags  rsp  ss
///
/// and for the failsafe callback, ds es fs gs stand between r11 and rip.
#pragma once

#include <cstdint>
#include <optional>

#include "arch/registers.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace guest {

/// Where to enter the guest's kernel, and what to tell it.
struct Bounce {
    std::uint64_t entry = 0;
    bool mask_events = false;
    std::optional<std::uint32_t> error_code{};
};

/// Edits @p registers so that the guest goes on at @p bounce.entry, in kernel mode. An error (no entry point, or a
/// kernel stack that cannot be written) means that the domain cannot go on: the caller crashes it.
[[nodiscard]] base::Status bounce_to_kernel(domain::Vcpu& vcpu, arch::Registers& registers, Bounce const& bounce);

/// True if bounce_in_guest() can be expected to find the kernel's stack.
[[nodiscard]] bool stack_known(domain::Vcpu& vcpu, arch::Registers const& registers);
/// The same, if that can be done while the CPU counts as in the guest: without a walk. False: nothing has happened.
[[nodiscard, gnu::hot]] bool bounce_in_guest(domain::Vcpu& vcpu, arch::Registers& registers, Bounce const& bounce);

/// The failsafe callback: @p registers could not be resumed. @p segments are the selectors as they were to be loaded.
[[nodiscard]] base::Status bounce_failsafe(domain::Vcpu& vcpu, arch::Registers& registers,
                                           arch::Segments const& segments);

/// Bounces exception @p vector through the guest's trap table.
[[nodiscard]] base::Status bounce_exception(domain::Vcpu& vcpu, arch::Registers& registers, std::uint8_t vector,
                                            std::optional<std::uint32_t> error_code = {});

/// The #DB that an instruction which was emulated owes a guest that single-steps.
[[nodiscard]] base::Status bounce_single_step(domain::Vcpu& vcpu, arch::Registers& registers);

/// A page fault: tells the address in vcpu_info.arch.cr2 first.
[[nodiscard]] base::Status bounce_page_fault(domain::Vcpu& vcpu, arch::Registers& registers, base::Vaddr address,
                                             std::uint32_t error_code);

/// True for the exceptions that push an error code (SDM vol. 3A §6.3.1).
constexpr bool has_error_code(std::uint8_t vector) {
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

} // namespace guest
