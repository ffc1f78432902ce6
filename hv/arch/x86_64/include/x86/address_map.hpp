/// Where the hypervisor lies in every address space: slots 256..271 of each root (docs/memory-map.md).
///
///   256  machine-to-phys, as guests may read it         ffff8000'00000000   the ABI's HYPERVISOR_VIRT_START
///   257  machine-to-phys, writable
///   258  frame table
///   259  device registers, uncached
///   260  empty; the pattern has the identity table here, which is shown in slot 256 to translated domains
///   261  the image, and this CPU's own area
///   262..271  the direct map of RAM: 5 TiB
///
/// All of it is supervisor-only but 256, and all but the image's text is not executable.
#pragma once

#include <cstdint>

#include "base/frame.hpp"
#include "x86/asm_layout.h"

namespace x86 {

inline constexpr unsigned kFirstHypervisorSlot = 256;
inline constexpr unsigned kHypervisorSlots = 16;

/// The lowest address that slot @p slot (of the upper half) of a root translates.
constexpr base::Vaddr slot_address(unsigned slot) {
    return base::Vaddr{0xffff'0000'0000'0000 | std::uint64_t{slot} << 39};
}

inline constexpr unsigned kMachineToPhysSlot = 256;
inline constexpr unsigned kIdentitySlot = 260;
inline constexpr unsigned kImageSlot = 261;

inline constexpr base::Vaddr kGuestMachineToPhys = slot_address(kMachineToPhysSlot);
inline constexpr base::Vaddr kMachineToPhys = slot_address(257);
inline constexpr base::Vaddr kFrameTable = slot_address(258);
inline constexpr base::Vaddr kDevices = slot_address(259);
inline constexpr base::Vaddr kIdentity = slot_address(kIdentitySlot);
inline constexpr base::Vaddr kImage{IMAGE_OFFSET};
inline constexpr base::Vaddr kCpuArea{IMAGE_OFFSET + 0x4000'0000};
inline constexpr base::Vaddr kDirectMap = slot_address(262);
inline constexpr base::Vaddr kDirectMapEnd = slot_address(272);

static_assert(kGuestMachineToPhys.raw() == 0xffff'8000'0000'0000);
static_assert(base::table_index(kImage, 4) == kImageSlot && base::table_index(kCpuArea, 4) == kImageSlot);

/// Where something of the image lies in physical memory.
template <typename T> base::Maddr image_maddr(T const* object) {
    return base::Maddr{reinterpret_cast<std::uint64_t>(object) - kImage.raw()};
}

} // namespace x86
