/// A guest's page faults: those that shadows cause, stores to page tables, and the guest's own (docs/abi.md §4.1.3).
#pragma once

#include "arch/registers.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace guest {

[[nodiscard]] base::Status handle_page_fault(domain::Vcpu& vcpu, arch::Registers& registers, base::Vaddr address);

} // namespace guest
