/// A guest's GDT and LDT (docs/abi.md §2.7, SP-29).
///
/// The CPU never sees the guest's descriptor frames: it uses checked copies in frames of the hypervisor's. The guest's
/// frame becomes a "descriptor" frame, which cannot be mapped writable, so the copy stays true; update_descriptor
/// writes both.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/frame.hpp"
#include "base/result.hpp"
#include "domain/vcpu.hpp"

namespace domain {

inline constexpr std::uint32_t kGuestGdtEntries = 14 * 512; ///< entries below the hypervisor's own (0xe000)
inline constexpr std::uint32_t kMostLdtEntries = 8192;

/// Replaces the GDT of @p vcpu. Error::invalid, with nothing changed, if a frame is not the domain's, is mapped
/// writable or is a table, or if it holds a descriptor that a guest must not have.
[[nodiscard]] base::Status set_gdt(Vcpu& vcpu, std::span<base::Gfn const> frames, std::uint32_t entries);

/// MMUEXT_SET_LDT: pages are taken on first use. @p base page-aligned, @p entries up to 8192, 0 for none.
[[nodiscard]] base::Status set_ldt(Vcpu& vcpu, base::Vaddr base, std::uint32_t entries);

/// A #PF inside the LDT window: brings in the page at @p offset of the window. False if the guest has none there.
[[nodiscard]] bool fault_in_ldt(Vcpu& vcpu, std::uint64_t offset);

/// update_descriptor: writes one descriptor at the guest's machine address @p at. Works on descriptor frames, whose
/// copies change too, and on ordinary frames. Error::invalid for tables and for bad descriptors.
[[nodiscard]] base::Status update_descriptor(Domain& domain, base::Gaddr at, std::uint64_t descriptor);

/// The copies, as arch::install_gdt and install_ldt take them.
[[nodiscard]] std::array<base::Mfn, 14> gdt_copies(Vcpu const& vcpu);
[[nodiscard]] std::array<base::Mfn, 16> ldt_copies(Vcpu const& vcpu);

template <typename Visit> void for_each_descriptor_page(Vcpu const& vcpu, Visit&& visit) {
    for (auto const& page : vcpu.descriptors.gdt)
        if (page.copy.valid())
            visit(page);
    for (auto const& page : vcpu.descriptors.ldt)
        if (page.copy.valid())
            visit(page);
}

/// Gives all descriptor frames and copies of @p vcpu back.
void drop_descriptors(Vcpu& vcpu);

} // namespace domain
