/// The host of this room's benchmarks. It costs next to nothing, so that what is measured is the room itself.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "shadow_pt/paging.hpp"

namespace bench {

using base::Gfn;
using base::Mfn;
using base::Vaddr;
namespace pte = shadow_pt::pte;

/// One domain whose gfns are machine frames (0 is none), on one CPU that flushes whenever it is asked to.
class Host {
  public:
    struct Source {
        bool operator==(Source const&) const = default;
    };

    Host(std::uint64_t own, std::uint64_t shadows) : own_{own}, frames_(own + shadows) {
        for (std::uint64_t n = 1; n < own; ++n) {
            frames_[n].state.make_available();
            frames_[n].references = 1;
        }
        for (std::uint64_t n = own; n < own + shadows; ++n) {
            frames_[n].state.make_available();
            pool_.emplace_back(n);
        }
        clock_.add_cpu(base::CpuId{0});
    }

    std::uint64_t* table(Mfn frame) { return frames_[frame.raw()].words.data(); }
    shadow_pt::FrameState& frame(Mfn frame) { return frames_[frame.raw()].state; }
    base::Result<shadow_pt::Target> translate(Gfn gfn, shadow_pt::Wanted, Source) {
        if (gfn.raw() == 0 || gfn.raw() >= own_)
            return base::Err{base::Error::invalid};
        ++frames_[gfn.raw()].references;
        return shadow_pt::Target{.frame = Mfn{gfn.raw()}, .kind = shadow_pt::TargetKind::own, .shown = gfn};
    }
    std::optional<shadow_pt::Target> named(Gfn gfn) {
        return shadow_pt::Target{.frame = Mfn{gfn.raw()}, .kind = shadow_pt::TargetKind::own, .shown = gfn};
    }
    Mfn named_frame(Gfn gfn) { return Mfn{gfn.raw()}; }
    bool still_names(Gfn gfn, Mfn frame) { return gfn.raw() == frame.raw(); }
    bool translates(Gfn gfn, Mfn frame) { return still_names(gfn, frame); }
    base::Status reference(Mfn frame) {
        ++frames_[frame.raw()].references;
        return {};
    }
    void release(Mfn frame, shadow_pt::TargetKind) { --frames_[frame.raw()].references; }
    base::Result<Mfn> allocate_shadow() {
        if (pool_.empty())
            return base::Err{base::Error::no_memory};
        Mfn const page = pool_.back();
        pool_.pop_back();
        return page;
    }
    base::Result<Mfn> allocate_shadow_at_once() { return allocate_shadow(); }
    Mfn next_shadow() { return {}; } // the pool is large enough: nothing is evicted
    std::uint64_t shadows_in_use() { return frames_.size() - own_ - pool_.size(); }
    void free_shadow(Mfn frame, shadow_pt::Stamp) { pool_.push_back(frame); }
    void mark_dirty(Mfn) {}
    void became_table(Gfn) {}
    void foreign_writer(Mfn, bool) {}
    Mfn next_own(Gfn& gfn) {
        Mfn const frame{gfn.raw()};
        gfn = gfn + 1;
        return frame.raw() < own_ ? frame : Mfn{};
    }
    bool should_yield() { return false; }
    shadow_pt::TlbClock& clock() { return clock_; }
    void retire(shadow_pt::Stamp) { clock_.end_flush(base::CpuId{0}, clock_.begin_flush()); }
    void root_entry_changed(Mfn, unsigned, std::uint64_t) {}
    shadow_pt::EntryRules rules(Source) { return {}; }
    void refused(shadow_pt::Refusal, Gfn) {}

  private:
    struct Frame {
        std::array<std::uint64_t, base::kTableEntries> words{};
        shadow_pt::FrameState state;
        std::uint32_t references = 0;
    };

    std::uint64_t const own_;
    std::vector<Frame> frames_;
    std::vector<Mfn> pool_;
    shadow_pt::TlbClock clock_;
};
static_assert(shadow_pt::Host<Host>);

inline constexpr std::uint64_t kTable = pte::kPresent | pte::kWrite | pte::kUser | pte::kAccessed;
inline constexpr std::uint64_t kPage = kTable | pte::kDirty;

constexpr std::uint64_t entry(std::uint64_t gfn, std::uint64_t flags) { return gfn << base::kPageShift | flags; }

} // namespace bench
