/// Where everything lies when a PV guest takes its first step (<xen/xen.h>, "start-of-day memory layout";
/// docs/abi.md §1.3). Pure arithmetic: nothing is written here.
///
///   virt_base = pfn 0                                                                mapped.end
///   | (RAM) | kernel | [initrd] | [p2m] | start_info | tables | stack | padding ...  |  [initrd] | [p2m + its tables] |
///   |<------------------ mapped one to one from virt_base, 4 KiB pages ------------->|<---- not in this mapping ----->|
///
/// The initrd lies outside if the kernel has note MOD_START_PFN, the p2m list if it has note INIT_P2M, which also says
/// at which address the list is mapped by tables of its own. The first of `tables` is the L4. The mapping ends at a
/// multiple of 4 MiB and has at least 512 KiB of padding.
#pragma once

#include <cstdint>
#include <optional>

#include "base/frame.hpp"
#include "build/refusal.hpp"
#include "build/table_area.hpp"

namespace build {

/// [first, end), in pseudo-physical frames.
struct PfnRange {
    base::Pfn first{0};
    base::Pfn end{0};

    [[nodiscard]] constexpr std::uint64_t count() const { return end - first; }
    [[nodiscard]] constexpr bool empty() const { return first == end; }
    [[nodiscard]] constexpr bool contains(base::Pfn pfn) const { return first <= pfn && pfn < end; }
    constexpr bool operator==(PfnRange const&) const = default;
};

struct LayoutRequest {
    std::uint64_t nr_pages = 0; ///< frames that the domain starts with
    PfnRange kernel;
    std::uint64_t initrd_bytes = 0;
    base::Vaddr virt_base;
    std::optional<base::Vaddr> init_p2m;
    bool initrd_outside = false; ///< the kernel has note MOD_START_PFN
};

struct Layout {
    std::uint64_t nr_pages = 0;
    base::Vaddr virt_base;
    PfnRange kernel;
    PfnRange initrd;
    PfnRange p2m;
    base::Pfn start_info;
    TableArea tables; ///< the bootstrap tables; its first frame is the L4
    base::Pfn stack;
    base::Pfn mapped_end; ///< pfns below are in the initial mapping

    base::Vaddr p2m_address;
    std::optional<TableArea> p2m_tables; ///< if the p2m list is mapped by tables of its own

    [[nodiscard]] bool initrd_mapped() const { return initrd.end <= mapped_end; }
    [[nodiscard]] base::Vaddr address_of(base::Pfn pfn) const { return virt_base + (pfn.raw() << base::kPageShift); }
    [[nodiscard]] PfnRange table_frames() const { return {tables.l4(), tables.l4() + tables.frames()}; }
};

/// Refuses (no_memory) what does not fit into nr_pages, and (invalid) addresses that cannot be: not canonical, not page
/// aligned, in the hypervisor's slots, or a p2m list in a slot of the L4 that the mapping uses as well.
Expected<Layout> plan_layout(LayoutRequest const& request);

} // namespace build
