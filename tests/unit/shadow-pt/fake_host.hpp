/// A domain of a few frames for shadow paging to work on: RAM, a neighbour's RAM, a special page, a device, and a pool of
/// shadow pages that can run out.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "shadow_pt/paging.hpp"

namespace shadow_pt::test {

class FakeHost {
  public:
    /// Whose frames an entry names: 0 is the domain itself.
    struct Source {
        unsigned domain = 0;
        bool operator==(Source const&) const = default;
    };

    // Frames by machine number. The domain's own gfn n is machine frame n + kOwn.
    static constexpr unsigned kOwn = 100;
    static constexpr unsigned kOwnFrames = 32;
    static constexpr unsigned kForeign = 200;
    static constexpr unsigned kForeignFrames = 4;
    static constexpr unsigned kSpecial = 300; ///< gfn and frame
    static constexpr unsigned kDevice = 400;  ///< gfn and frame
    static constexpr unsigned kPool = 500;
    static constexpr unsigned kMostShadows = 32;
    static constexpr unsigned kCpus = 2;

    explicit FakeHost(unsigned shadows = kMostShadows) : frames_(kPool + kMostShadows) {
        for (unsigned n = kOwn; n < kOwn + kOwnFrames; ++n)
            own(n);
        for (unsigned n = kForeign; n < kForeign + kForeignFrames; ++n)
            own(n);
        own(kSpecial);
        for (unsigned n = kPool; n < kPool + shadows; ++n) {
            frames_[n].state.make_available();
            pool_.push_back({.frame = base::Mfn{n}, .stamp = 0});
        }
        for (std::uint32_t cpu = 0; cpu < kCpus; ++cpu)
            clock_.add_cpu(base::CpuId{cpu});
        shadows_ = shadows;
    }

    static base::Mfn own_frame(unsigned gfn) { return base::Mfn{kOwn + gfn}; }

    // --- what shadow paging asks ------------------------------------------------------------------------------------------

    std::uint64_t* table(base::Mfn frame) { return frames_.at(frame.raw()).words.data(); }
    FrameState& frame(base::Mfn frame) { return frames_.at(frame.raw()).state; }

    base::Result<Target> translate(base::Gfn gfn, Wanted, Source source) {
        auto const n = gfn.raw();
        if (source.domain != 0)
            return n < kForeignFrames ? take(kForeign + n, TargetKind::foreign, base::Gfn{kForeign + n}) : nothing();
        if (n < kOwnFrames)
            return take(kOwn + n, TargetKind::own, gfn);
        if (n == kSpecial)
            return take(n, TargetKind::special, gfn);
        if (n == kDevice)
            return Target{.frame = base::Mfn{n}, .kind = TargetKind::device, .shown = gfn};
        return nothing();
    }
    base::Mfn named_frame(base::Gfn gfn) {
        return gfn.raw() < kOwnFrames ? own_frame(static_cast<unsigned>(gfn.raw())) : base::Mfn{};
    }
    bool still_names(base::Gfn gfn, base::Mfn frame) {
        return gfn.raw() < kOwnFrames && frame == own_frame(static_cast<unsigned>(gfn.raw()));
    }
    bool translates(base::Gfn gfn, base::Mfn frame) { return still_names(gfn, frame); }
    std::optional<Target> named(base::Gfn gfn) {
        auto const found = translate(gfn, {}, {});
        if (!found.ok())
            return std::nullopt;
        if (found.value().kind != TargetKind::device)
            release(found.value().frame, found.value().kind);
        return found.value();
    }
    base::Status reference(base::Mfn frame) {
        if (auto const once = std::exchange(on_reference, nullptr))
            once(frame);
        if (frames_.at(frame.raw()).references == 0)
            return base::Err{base::Error::invalid};
        ++frames_[frame.raw()].references;
        return {};
    }
    void release(base::Mfn frame, TargetKind) {
        ASSERT(frames_.at(frame.raw()).references > 0);
        --frames_[frame.raw()].references;
    }

    base::Result<base::Mfn> allocate_shadow() {
        if (pool_.empty() || !clock_.is_safe(pool_.front().stamp))
            return base::Err{base::Error::no_memory};
        return take_page();
    }
    base::Result<base::Mfn> allocate_shadow_at_once() {
        if (pool_.empty())
            return base::Err{base::Error::no_memory};
        retire(pool_.front().stamp);
        return take_page();
    }
    base::Mfn next_shadow() {
        if (used_.empty())
            return {};
        used_.push_back(used_.front());
        used_.pop_front();
        return used_.back();
    }
    std::uint64_t shadows_in_use() { return used_.size(); }
    void free_shadow(base::Mfn frame, Stamp stamp) {
        for (auto const word : frames_.at(frame.raw()).words)
            EXPECT_EQ(word, 0U) << "a page was given back that holds something";
        std::erase(used_, frame);
        pool_.push_back({.frame = frame, .stamp = stamp});
    }

    void mark_dirty(base::Mfn frame) { ++frames_.at(frame.raw()).marks; }
    void became_table(base::Gfn) {}
    void foreign_writer(base::Mfn frame, bool more) { frames_.at(frame.raw()).foreign_writers += more ? 1 : -1; }
    base::Mfn next_own(base::Gfn& gfn) {
        while (given_up.contains(static_cast<unsigned>(gfn.raw())))
            gfn = gfn + 1;
        auto const next = gfn.raw() < kOwnFrames ? own_frame(static_cast<unsigned>(gfn.raw())) : base::Mfn{};
        gfn = gfn + 1;
        return next;
    }
    bool should_yield() { return impatient; }
    TlbClock& clock() { return clock_; }
    void retire(Stamp) {
        ++retired;
        if (on_retire)
            on_retire();
        flush_everyone();
    }
    void root_entry_changed(base::Mfn, unsigned, std::uint64_t) {}
    EntryRules rules(Source) { return {}; }
    void refused(Refusal, base::Gfn) {}

    // --- what a test looks at -----------------------------------------------------------------------------------------------

    void flush_everyone() {
        for (std::uint32_t cpu = 0; cpu < kCpus; ++cpu)
            clock_.end_flush(base::CpuId{cpu}, clock_.begin_flush());
    }
    unsigned references(base::Mfn frame) { return frames_.at(frame.raw()).references; }
    int foreign_writers(base::Mfn frame) { return frames_.at(frame.raw()).foreign_writers; }
    unsigned marks(base::Mfn frame) { return frames_.at(frame.raw()).marks; }

    /// Nothing is used, held, or taken from the pool any more.
    void expect_idle() {
        for (unsigned n = kOwn; n < kPool; ++n) {
            if (frames_[n].state.use() == Use::free)
                continue;
            EXPECT_EQ(frames_[n].references, 1U) << "frame " << n;
            EXPECT_EQ(frames_[n].state.word(), UseWord(Use::none, 0)) << "frame " << n;
            EXPECT_FALSE(frames_[n].state.link().valid()) << "frame " << n;
        }
        EXPECT_EQ(pool_.size(), shadows_);
    }

    std::set<unsigned> given_up; ///< numbers that are not in the map any more, for who goes through it
    bool impatient = false;      ///< should_yield() says so at every chance
    unsigned retired = 0;
    std::function<void(base::Mfn)> on_reference; ///< once, in the middle of a copy: what another CPU does meanwhile
    std::function<void()> on_retire;             ///< before the flush: what a CPU's stale TLB entry still writes

  private:
    struct Frame {
        std::array<std::uint64_t, base::kTableEntries> words{};
        FrameState state;
        unsigned references = 0; ///< the owner's, and one for each that translate() gave
        unsigned marks = 0;
        int foreign_writers = 0;
    };
    struct Freed {
        base::Mfn frame;
        Stamp stamp;
    };

    void own(unsigned n) {
        frames_[n].state.make_available();
        frames_[n].references = 1;
    }
    base::Result<Target> take(std::uint64_t n, TargetKind kind, base::Gfn shown) {
        ++frames_[n].references;
        return Target{.frame = base::Mfn{n}, .kind = kind, .shown = shown};
    }
    base::Mfn take_page() {
        auto const page = pool_.front().frame;
        pool_.pop_front();
        used_.push_back(page);
        frames_[page.raw()].words.fill(0);
        return page;
    }
    static base::Result<Target> nothing() { return base::Err{base::Error::invalid}; }

    std::vector<Frame> frames_;
    std::deque<Freed> pool_;
    std::size_t shadows_ = 0;
    std::deque<base::Mfn> used_; ///< pages that are not in the pool
    TlbClock clock_;
};

static_assert(Host<FakeHost>);

} // namespace shadow_pt::test
