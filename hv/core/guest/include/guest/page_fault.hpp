/// A guest's page faults: those that shadows cause, stores to page tables, and the guest's own (docs/abi.md §4.1.3).
#pragma once

#include <cstdint>

#include "arch/registers.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace guest {

inline constexpr std::uint8_t kPageFault = 14; // its vector

[[nodiscard]] base::Status handle_page_fault(domain::Vcpu& vcpu, arch::Registers& registers, base::Vaddr address);

/// The same, if the guest's tables map nothing there and the CPU need not come out of the guest to say so (docs/decisions/0007). False:
/// nothing has happened.
[[nodiscard, gnu::hot]] bool page_fault_in_guest(domain::Vcpu& vcpu, arch::Registers& registers);

} // namespace guest
