/// The host of this room's benchmarks. It costs next to nothing, so that what is measured is the room itself.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "shadow_pt/paging.hpp"

namespace bench {

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

    std::uint64_t* table(base::Mfn frame) { return frames_[frame.raw()].words.data(); }
    shadow_pt::FrameState& frame(base::Mfn frame) { return frames_[frame.raw()].state; }
    base::Result<shadow_pt::Target> translate(base::Gfn gfn, shadow_pt::Wanted, Source) {
        if (gfn.raw() == 0 || gfn.raw() >= own_)
            return base::Err{base::Error::invalid};
        ++frames_[gfn.raw()].references;
        return shadow_pt::Target{.frame = base::Mfn{gfn.raw()}, .kind = shadow_pt::TargetKind::own, .shown = gfn};
    }
    std::optional<shadow_pt::Target> named(base::Gfn gfn) {
        return shadow_pt::Target{.frame = base::Mfn{gfn.raw()}, .kind = shadow_pt::TargetKind::own, .shown = gfn};
    }
    base::Mfn named_frame(base::Gfn gfn) { return base::Mfn{gfn.raw()}; }
    bool still_names(base::Gfn gfn, base::Mfn frame) { return gfn.raw() == frame.raw(); }
    bool translates(base::Gfn gfn, base::Mfn frame) { return still_names(gfn, frame); }
    base::Status reference(base::Mfn frame) {
        ++frames_[frame.raw()].references;
        return {};
    }
    void release(base::Mfn frame, shadow_pt::TargetKind) { --frames_[frame.raw()].references; }
    base::Result<base::Mfn> allocate_shadow() {
        if (pool_.empty())
            return base::Err{base::Error::no_memory};
        base::Mfn const page = pool_.back();
        pool_.pop_back();
        return page;
    }
    base::Result<base::Mfn> allocate_shadow_at_once() { return allocate_shadow(); }
    base::Mfn next_shadow() { return {}; } // the pool is large enough: nothing is evicted
    std::uint64_t shadows_in_use() { return frames_.size() - own_ - pool_.size(); }
    void free_shadow(base::Mfn frame, shadow_pt::Stamp) { pool_.push_back(frame); }
    void mark_dirty(base::Mfn) {}
    void foreign_writer(base::Mfn, bool) {}
    base::Mfn next_own(base::Gfn& gfn) {
        base::Mfn const frame{gfn.raw()};
        gfn = gfn + 1;
        return frame.raw() < own_ ? frame : base::Mfn{};
    }
    bool should_yield() { return false; }
    shadow_pt::TlbClock& clock() { return clock_; }
    void retire(shadow_pt::Stamp) { clock_.end_flush(base::CpuId{0}, clock_.begin_flush()); }
    void root_entry_changed(base::Mfn, unsigned, std::uint64_t) {}
    shadow_pt::EntryRules rules(Source) { return {}; }
    void refused(shadow_pt::Refusal, base::Gfn) {}

  private:
    struct Frame {
        std::array<std::uint64_t, base::kTableEntries> words{};
        shadow_pt::FrameState state;
        std::uint32_t references = 0;
    };

    std::uint64_t const own_;
    std::vector<Frame> frames_;
    std::vector<base::Mfn> pool_;
    shadow_pt::TlbClock clock_;
};
static_assert(shadow_pt::Host<Host>);

inline constexpr std::uint64_t kTable =
    shadow_pt::pte::kPresent | shadow_pt::pte::kWrite | shadow_pt::pte::kUser | shadow_pt::pte::kAccessed;
inline constexpr std::uint64_t kPage = kTable | shadow_pt::pte::kDirty;

constexpr std::uint64_t entry(std::uint64_t gfn, std::uint64_t flags) { return gfn << base::kPageShift | flags; }

} // namespace bench
