/// What a fake machine writes down of what it was asked to do.
#pragma once

#include <cstdint>

#include "arch/cpu.hpp"

namespace arch_fake {

struct Event {
    enum class Kind : std::uint8_t {
        kick, ///< cpu
        flush_tlb,
        flush_page,   ///< address
        install_root, ///< root, frame
        use_root,     ///< root
        patch_root,   ///< cpu, root, frame, slot, value
        set_timer,    ///< value: the TSC
        wait,
        port_out,  ///< slot: the port; value
        write_msr, ///< slot: the MSR; value
        write_back_caches,
    };

    Kind kind;
    base::CpuId by{}; ///< the CPU that did it
    base::CpuId cpu{};
    arch::Root root = arch::Root::kernel;
    base::Mfn frame{};
    base::Vaddr address{};
    std::uint32_t slot = 0;
    std::uint64_t value = 0;
};

} // namespace arch_fake
