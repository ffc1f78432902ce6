/// What a mapper may do with a granted frame, and through what.
#pragma once

#include <cstdint>

#include "abi/xen.hpp"

namespace grants {

enum class Access : bool { read, write };

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
