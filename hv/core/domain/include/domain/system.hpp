/// All that there is one of: memory, CPUs, time, the domains. Made at start of day, never destroyed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "abi/xen.hpp"
#include "base/fixed_vector.hpp"
#include "base/lock.hpp"
#include "base/number.hpp"
#include "console/input.hpp"
#include "console/input_ring.hpp"
#include "domain/cpu.hpp"
#include "domain/flush_clock.hpp"
#include "domain/ports.hpp"
#include "events/event_table.hpp"
#include "irq/interrupts.hpp"
#include "irq/pci.hpp"
#include "mm/frame_allocator.hpp"
#include "mm/frame_table.hpp"
#include "mm/heap.hpp"
#include "sched/scheduler.hpp"
#include "timing/system_clock.hpp"
#include "timing/wall_clock.hpp"

namespace domain {

struct Domain;

/// A range of the machine's memory map, as XENMEM_machine_memory_map gives it: 20 bytes, packed.
struct [[gnu::packed]] E820Entry {
    std::uint64_t address;
    std::uint64_t size;
    std::uint32_t type;
};
static_assert(sizeof(E820Entry) == 20);

inline constexpr std::uint32_t kE820Ram = 1;

/// Below this nothing is the hypervisor's once all CPUs are up, and no RAM is given to anybody: Linux as dom0 maps all of
/// the first MiB, whatever the firmware's map says of it.
inline constexpr base::Mfn kFirstMebibyteEnd{0x100};

inline constexpr std::size_t kMaxDomains = 1024;

struct System {
    /// @p infos: one for each frame up to the highest of RAM, value-initialised.
    explicit System(std::span<mm::FrameInfo> infos);
    System(System const&) = delete;
    System& operator=(System const&) = delete;

    /// The domain with this id, or null. It stays while the caller is in the hypervisor.
    [[nodiscard]] Domain* find(base::DomId id) const;
    /// Also one that is dying: to ask how it is, and to give back what it had granted.
    [[nodiscard]] Domain* find_even_dying(base::DomId id) const;
    [[nodiscard]] Cpu& this_cpu();
    [[nodiscard]] std::uint64_t now() const; ///< system time in ns

    /// RAM by the firmware's map, from the first MiB up; whoever owns it.
    [[nodiscard]] bool is_ram(base::Mfn frame) const;
    /// Neither RAM nor one of the interrupt controllers, which are the hypervisor's: dom0 may map it.
    [[nodiscard]] bool is_device(base::Mfn frame) const;

    std::array<Cpu, base::kMaxCpus> cpus;
    mm::FrameTable frames;
    std::array<mm::Quota, kMaxDomains> quotas;
    FlushClock flush_clock;
    mm::FrameAllocator allocator;
    mm::Heap heap;

    sched::Scheduler scheduler;
    timing::SystemClock clock;
    base::Guarded<timing::WallTime, base::LockRank::domain_list> wall_time_at_boot;

    events::LinkLock event_links;
    std::array<std::atomic<Domain*>, kMaxDomains> domains{};
    std::atomic<std::uint32_t> lingering{0};   ///< domains that have died, but are not gone (domain/teardown.hpp)
    std::atomic<std::uint32_t> next_domain{1}; ///< where to look for a free id

    base::Guarded<console::InputRing, base::LockRank::console_input> console_input; ///< typed for dom0, not read yet
    console::Input console_keys; ///< CPU 0 only: it reads the serial line

    // What start of day found out.
    base::FixedVector<E820Entry, 128> memory_map;
    std::string_view command_line;
    std::uint64_t shadow_limit = 0; ///< pages that each domain's shadows may take; 0: as its memory says (ShadowPool)
    base::FixedVector<base::Mfn, 32> own_devices; ///< frames of interrupt controllers
    std::uint8_t machine_address_bits = 36;       ///< of the highest address of RAM
    std::uint8_t physical_address_bits = 36;      ///< of the CPU
    irq::PciConfig pci;
    irq::Interrupts interrupts{pci};
    Ports ports{pci};
};

} // namespace domain
