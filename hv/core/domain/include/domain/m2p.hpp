/// The machine-to-phys table: how a direct domain finds its own number of a machine frame (docs/abi.md §2.1).
///
/// A word for each machine frame; ~0 for frames of the hypervisor, of translated domains and of nobody (SP-26).
#pragma once

#include "base/frame.hpp"
#include "domain/domain.hpp"

namespace domain {

/// Where a domain sees its table, and the highest frame number in it.
struct M2pWindow {
    base::Vaddr first;
    base::Vaddr end;
    base::Gfn highest_gfn;
};
[[nodiscard]] M2pWindow m2p_window(Domain const& domain);

/// Says that machine frame @p mfn is @p pfn of its (direct) owner; an invalid one clears the word.
void set_m2p(base::Mfn mfn, base::Pfn pfn);

/// mmu_update MACHPHYS: a direct domain may say what it likes of a frame of its own; a translated one only the identity
/// (SP-27). Error::invalid otherwise.
[[nodiscard]] base::Status update_m2p(Domain& domain, base::Gfn gfn, base::Pfn pfn);

} // namespace domain
