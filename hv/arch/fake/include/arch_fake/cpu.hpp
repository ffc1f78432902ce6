/// One CPU of a fake machine: the state that arch:: functions set on the real one. Tests read it, and may write it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "arch/cpu.hpp"

namespace arch_fake {

/// A root page: slots 256..271 are the hypervisor's and read 0 here.
struct RootPage {
    base::Mfn shadow; ///< what it was installed from
    std::array<std::uint64_t, base::kTableEntries> entries{};
    bool flush_owed = false;
};

struct Cpu {
    std::array<RootPage, 2> roots; ///< index: arch::Root
    arch::Root root = arch::Root::kernel;
    std::uint64_t flushes = 0; ///< of the whole TLB, those owed to a root at its use included

    std::uint64_t timer = ~std::uint64_t{0};
    std::uint64_t kicks = 0;

    arch::Segments segments;
    std::array<base::Mfn, 14> gdt{};
    std::array<base::Mfn, 16> ldt{};
    std::uint32_t ldt_entries = 0;
    std::uint64_t cr4 = 0;
    bool task_switched = false;
    bool ports_allowed = false;
    arch::MachineToPhys machine_to_phys = arch::MachineToPhys::machine;
    std::uint64_t xcr0 = 1;
    std::uint64_t tsc_aux = 0;
    std::vector<std::byte> extended_state;
    arch::DebugRegisters debug;
    base::Vaddr fault_address;

    [[nodiscard]] RootPage& root_page(arch::Root which) { return roots[static_cast<std::size_t>(which)]; }
};

} // namespace arch_fake
