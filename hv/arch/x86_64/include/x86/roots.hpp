/// The root pages: what CR3 gets. One for each CPU.
#pragma once

#include <cstdint>

#include "arch/cpu.hpp"
#include "base/frame.hpp"
#include "base/number.hpp"

namespace x86 {

/// @p page becomes @p cpu's root page; the hypervisor's slots are in it. Start of day only.
void make_root_page(base::CpuId cpu, base::Mfn page);

/// What CR3 gets for @p cpu's @p root: the page, and where there are PCIDs the root's own.
std::uint64_t root_cr3(base::CpuId cpu, arch::Root root);

/// The page alone, for CR3 before CR4.PCIDE is on: no PCID may be named then.
std::uint64_t root_without_pcid(base::CpuId cpu);

} // namespace x86
