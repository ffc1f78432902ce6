#include "domain/system.hpp"

#include "arch/cpu.hpp"
#include "domain/domain.hpp"

namespace domain {

System::System(std::span<mm::FrameInfo> infos)
    : frames{infos},
      flush_clock{cpus},
      allocator{frames, mm::Accounts{quotas}, mm::FlushClock{flush_clock}},
      heap{allocator},
      scheduler{arch::online_cpus()} {}

Domain* System::find(base::DomId id) const {
    Domain* const found = find_even_dying(id);
    return found != nullptr && !found->dying.load(std::memory_order_seq_cst) ? found : nullptr;
}

Domain* System::find_even_dying(base::DomId id) const {
    return id.raw() < domains.size() ? domains[id.raw()].load(std::memory_order_acquire) : nullptr;
}

Cpu& System::this_cpu() { return cpus[arch::this_cpu().raw()]; }

std::uint64_t System::now() const { return clock.now(arch::read_tsc()); }

bool System::is_ram(base::Mfn frame) const {
    if (frame < kFirstMebibyteEnd)
        return false;
    std::uint64_t const at = frame.raw() << base::kPageShift;
    for (E820Entry const& entry : memory_map)
        // A frame that is RAM in part only counts as RAM: it may hold what is not dom0's.
        if (entry.type == kE820Ram && at + base::kPageSize > entry.address && at < entry.address + entry.size)
            return true;
    return false;
}

bool System::is_device(base::Mfn frame) const {
    if (frame.raw() >> (physical_address_bits - base::kPageShift) != 0 || is_ram(frame))
        return false;
    for (base::Mfn const own : own_devices)
        if (own == frame)
            return false;
    return true;
}

} // namespace domain
