/// What a domain is to shadow paging: whose frames its entries may name, and what changes of its shadows ask of CPUs
/// (shadow_pt::Host).
#pragma once

#include <cstdint>
#include <optional>

#include "base/frame.hpp"
#include "base/result.hpp"
#include "domain/shadow_pool.hpp"
#include "shadow_pt/host.hpp"

namespace domain {

struct Domain;
struct System;

/// DOMID_XEN's frame numbers: the pages of the identity table, one after the other. (Not from 0, which means a gap.)
inline constexpr base::Gfn kIdentityTableGfn{512};

class PagingHost {
  public:
    /// Whose frames an entry may name.
    struct Source {
        Domain* other = nullptr;   ///< a domain that the caller may map frames of; null: the caller's own
        bool devices_only = false; ///< DOMID_IO
        bool identity = false;     ///< DOMID_XEN: pages of the table by which each number is its own (SP-28)
        bool operator==(Source const&) const = default;
    };

    PagingHost(System& system, Domain& domain);

    [[nodiscard]] ShadowPool& pool() { return pool_; }

    // --- shadow_pt::Host -------------------------------------------------------------------------------------------
    std::uint64_t* table(base::Mfn frame);
    shadow_pt::FrameState& frame(base::Mfn frame);
    [[nodiscard]] base::Result<shadow_pt::Target> translate(base::Gfn gfn, shadow_pt::Wanted wanted, Source source);
    [[nodiscard]] std::optional<shadow_pt::Target> named(base::Gfn gfn);
    [[nodiscard]] base::Mfn named_frame(base::Gfn gfn);
    [[nodiscard]] bool still_names(base::Gfn gfn, base::Mfn frame) const;
    [[nodiscard]] bool translates(base::Gfn gfn, base::Mfn frame) const;
    [[nodiscard]] base::Status reference(base::Mfn frame);
    void release(base::Mfn frame, shadow_pt::TargetKind kind);
    [[nodiscard]] base::Result<base::Mfn> allocate_shadow() { return pool_.take(); }
    [[nodiscard]] base::Result<base::Mfn> allocate_shadow_at_once() { return pool_.take_at_once(); }
    [[nodiscard]] base::Mfn next_shadow() { return pool_.next_in_use(); }
    [[nodiscard]] std::uint64_t shadows_in_use() { return pool_.size().in_use; }
    void free_shadow(base::Mfn page, shadow_pt::Stamp stamp) { pool_.give(page, stamp); }
    void mark_dirty(base::Mfn frame);
    void foreign_writer(base::Mfn frame, bool more);
    void became_table(base::Gfn gfn);
    [[nodiscard]] base::Mfn next_own(base::Gfn& gfn);
    [[nodiscard]] bool should_yield();
    [[nodiscard]] shadow_pt::TlbClock& clock();
    void retire(shadow_pt::Stamp stamp);
    void root_entry_changed(base::Mfn shadow, unsigned slot, std::uint64_t entry);
    [[nodiscard]] shadow_pt::EntryRules rules(Source source) const;
    void refused(shadow_pt::Refusal refusal, base::Gfn gfn);

  private:
    [[nodiscard]] Domain* owner_of(base::Mfn frame) const;
    [[nodiscard]] base::Result<shadow_pt::Target> translate_own(base::Gfn gfn);
    [[nodiscard]] base::Result<shadow_pt::Target> translate_unmapped(base::Gfn gfn);
    void mark_in_log(base::Mfn frame);
    [[nodiscard]] base::Result<shadow_pt::Target> translate_identity(base::Gfn gfn);
    [[nodiscard]] base::Result<shadow_pt::Target> translate_device(base::Gfn gfn);

    System& system_;
    Domain& domain_;
    ShadowPool pool_;
};

static_assert(shadow_pt::Host<PagingHost>);

} // namespace domain
