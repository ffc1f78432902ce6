/// What a mapper may do with a granted frame, and through what.
#pragma once

#include <cstdint>

#include "abi/xen.hpp"
#include "base/frame.hpp"
#include "base/number.hpp"

namespace grants {

enum class Access : bool { read, write };

/// What a use is for: an entry of the mapper's, or a copy by the hypervisor, which can do with less than a page.
enum class Purpose : bool { map, copy };

/// Bytes of a page.
struct PageRange {
    std::uint32_t offset = 0;
    std::uint32_t length = base::kPageSize;

    [[nodiscard]] constexpr bool contains(std::uint32_t first, std::uint32_t count) const {
        return first >= offset && first + count <= offset + length;
    }
};

/// What an entry of a table stands for.
struct Granted {
    enum class Kind : std::uint8_t {
        page,
        part,       ///< of a page (GTF_sub_page)
        transitive, ///< what `via` grants the granter by `via_ref`
    };
    Kind kind = Kind::page;
    base::Gfn frame{};
    PageRange part{};
    base::DomId via{};
    base::GrantRef via_ref{};
};

/// Through a page-table entry of the mapper, as a bus address for a device, or both (GNTMAP_host_map, _device_map).
struct Paths {
    bool host = false;
    bool device = false;

    [[nodiscard]] constexpr bool any() const { return host || device; }
    [[nodiscard]] constexpr bool contains(Paths other) const {
        return (host || !other.host) && (device || !other.device);
    }
    [[nodiscard]] constexpr Paths without(Paths other) const {
        return {.host = host && !other.host, .device = device && !other.device};
    }
    [[nodiscard]] constexpr Paths with(Paths other) const {
        return {.host = host || other.host, .device = device || other.device};
    }
    constexpr bool operator==(Paths const&) const = default;
};

/// `gnttab_map_grant_ref.flags`, taken apart.
struct MapFlags {
    std::uint32_t raw = 0;

    [[nodiscard]] constexpr Paths paths() const {
        return {.host = (raw & GNTMAP_host_map) != 0, .device = (raw & GNTMAP_device_map) != 0};
    }
    [[nodiscard]] constexpr Access access() const {
        return (raw & GNTMAP_readonly) != 0 ? Access::read : Access::write;
    }
    /// The entry is for the mapper's user space (GNTMAP_application_map).
    [[nodiscard]] constexpr bool user() const { return (raw & GNTMAP_application_map) != 0; }
    /// host_addr is the machine address of the entry itself (GNTMAP_contains_pte).
    [[nodiscard]] constexpr bool names_entry() const { return (raw & GNTMAP_contains_pte) != 0; }
    /// What goes to the software bits of the entry, from bit 9 on (feature gnttab_map_avail_bits).
    [[nodiscard]] constexpr std::uint32_t available_bits() const {
        return (raw & GNTMAP_guest_avail_mask) >> _GNTMAP_guest_avail0;
    }
};

} // namespace grants
