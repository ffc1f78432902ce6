/// The root pages: what CR3 gets. Two for each CPU, one for each mode of a guest.
#pragma once

#include <cstdint>

#include "arch/cpu.hpp"
#include "base/number.hpp"

namespace x86 {

/// What CR3 gets for @p cpu's @p root: the page, and where there are PCIDs its own.
std::uint64_t root_cr3(base::CpuId cpu, arch::Root root);

/// The kernel root, for CR3 before CR4.PCIDE is on: no PCID may be named then.
std::uint64_t root_without_pcid(base::CpuId cpu);

} // namespace x86
