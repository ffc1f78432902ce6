/// The fixture of tests that have a second domain's writes tracked.
#pragma once

#include "unit/hypercall/kernel.hpp"
#include "unit/hypercall/second_domain.hpp"

namespace test {

class TrackedDomain : public Kernel {
  protected:
    static constexpr std::uint64_t kScratchGfn = SecondDomain::kFirstPage;

    /// A processor's write to the page at @p address: D in the shadow, A on the way there; a fault first, if it may not.
    void processor_writes(std::uint64_t address) {
        auto& paging = other.domain->paging;
        auto const& root = other.vcpu().kernel_root.tables;
        auto const entry = [&](unsigned step) -> std::uint64_t& {
            auto const walk = paging.walk(root, base::Vaddr{address});
            return arch::frame_as<std::uint64_t>(
                walk.step[step].shadow)[base::table_index(base::Vaddr{address}, 4 - step)];
        };
        if ((entry(3) & shadow_pt::pte::kWrite) == 0) {
            auto const code = shadow_pt::fault::kWrite | shadow_pt::fault::kProtection;
            ASSERT_EQ(paging.handle_fault(root, base::Vaddr{address}, code).action, shadow_pt::FaultAction::retry);
        }
        for (unsigned step = 0; step < 4; ++step)
            entry(step) |= shadow_pt::pte::kAccessed | (step == 3 ? shadow_pt::pte::kDirty : 0);
    }
    std::int64_t map_foreign(std::uint64_t entry) {
        return call(__HYPERVISOR_update_va_mapping_otherdomain, kOtherPage, entry, UVMF_INVLPG, 1);
    }

    SecondDomain other{hypervisor};
};

} // namespace test
