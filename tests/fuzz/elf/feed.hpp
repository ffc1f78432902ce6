/// Foreign bytes for the kernel reader, the layout and the builder together: `u16 frames, u16 initrd bytes`, then the
/// kernel file. What is accepted must be consistent, and must be built within its frames.
#pragma once

#include "base/assert.hpp"
#include "unit/build/fake_domain.hpp"
#include "unit/build/layout_rules.hpp"

namespace fuzz {

/// True if a domain was built.
inline bool feed_elf(base::Bytes input) {
    auto const frames = base::load<std::uint16_t>(input, 0);
    auto const initrd_size = base::load<std::uint16_t>(input, 2);
    if (!frames || !initrd_size)
        return false;
    auto const kernel = build::open_kernel(input.subspan(4));
    if (!kernel) {
        ASSERT(!kernel.error().reason.empty());
        return false;
    }
    auto const& notes = kernel.value().notes;
    std::vector<std::byte> const initrd(*initrd_size);
    build::Dom0Request const request{.kernel = kernel.value(),
                                     .nr_pages = *frames,
                                     .initrd = initrd,
                                     .command_line = "fuzz",
                                     .more_arguments = {},
                                     .shared_info = {}};
    test::FakeDomain domain{*frames};
    auto const state = build_dom0(domain, request);
    if (!state) {
        ASSERT(!state.error().reason.empty());
        return false;
    }
    auto const& layout = state.value().layout;
    build::LayoutRequest const asked{.nr_pages = *frames,
                                     .kernel = kernel.value().extent,
                                     .initrd_bytes = initrd.size(),
                                     .virt_base = notes.virt_base,
                                     .init_p2m = notes.init_p2m,
                                     .initrd_outside = notes.mod_start_pfn};
    ASSERT(!test::broken_rule(asked, layout));
    auto const l4 = state.value().l4_pfn;
    ASSERT(domain.read(l4, state.value().rip).has_value());
    ASSERT(domain.read(l4, state.value().start_info).has_value());
    ASSERT(domain.read(l4, layout.p2m_address).has_value());
    for (std::size_t slot = 256; slot <= 271; ++slot)
        ASSERT(domain.word(l4, slot) == 0);
    return true;
}

} // namespace fuzz
