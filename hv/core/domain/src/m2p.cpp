#include "domain/m2p.hpp"

#include "abi/xen.hpp"
#include "arch/cpu.hpp"

namespace domain {

M2pWindow m2p_window(Domain const& domain) {
    base::Vaddr const first{HYPERVISOR_VIRT_START};
    // SP-26: the length that a translated domain is told is the same on every host.
    std::uint64_t const entries = domain.translated() ? mm::kFirstSpecialGfn.raw() : arch::machine_to_phys().size();
    return {.first = first, .end = first + entries * sizeof(std::uint64_t), .highest_gfn = base::Gfn{entries - 1}};
}

void set_m2p(base::Mfn mfn, base::Pfn pfn) {
    auto const table = arch::machine_to_phys();
    if (mfn.raw() < table.size())
        table[mfn.raw()] = pfn.raw();
}

base::Status update_m2p(Domain& domain, base::Gfn gfn, base::Pfn pfn) {
    auto const frame = domain.gfns.get(gfn);
    if (!frame)
        return base::Err{base::Error::invalid};
    if (domain.translated())
        return gfn.raw() == pfn.raw() ? base::Status{} : base::Status{base::Err{base::Error::invalid}};
    set_m2p(frame.value().mfn(), pfn);
    return {};
}

} // namespace domain
