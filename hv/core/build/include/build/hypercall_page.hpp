/// The page of stubs that older PV kernels call through (note HYPERCALL_PAGE, or XEN_DOMCTL_hypercall_init):
/// entry i, at i * 32, makes hypercall i with SYSCALL and returns (docs/abi.md §3.0).
#pragma once

#include <cstddef>
#include <span>

#include "base/frame.hpp"

namespace build {

void fill_hypercall_page(std::span<std::byte, base::kPageSize> page);

} // namespace build
