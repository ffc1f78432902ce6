/// What is known of a shadow page, kept in the FrameState of its own frame (SP-4): a shadow page is nobody's table, so
/// its state has another meaning.
///
///     word     0-9 entries held, 10-19 of them lent (never evicted, SP-10), 20-22 level, 23-24 how new,
///              32-35 Use::shadow, 36 among the starts of the next harvest, 40-63 the harvest that last visited it (SP-20)
///     link     the guest's table; none once the table has left it
///     stamp    how many entries of shadows lead here; once the table has left: next in the list of remains
///
/// Changed under the lock of the guest's table, or by the one who tears the remains; but an entry that leads here no more is
/// counted down without it.
#pragma once

#include <cstdint>

#include "base/frame.hpp"
#include "shadow_pt/frame_state.hpp"

namespace shadow_pt {

class ShadowPage {
  public:
    explicit ShadowPage(FrameState& state) : state_{state} {}

    /// A fresh page becomes the shadow of @p table.
    void begin(unsigned level, base::Mfn table) {
        ASSERT(state_.word() == UseWord(Use::none, 0) && hooks() == 0);
        write(UseWord{Use::shadow, 0}.raw() | std::uint64_t{level} << kLevelShift | kNew);
        state_.set_link(table);
    }
    /// The page is nothing any more. REQUIRES: it holds nothing, and its table has left it.
    void end() {
        ASSERT(held() == 0 && !table().valid());
        write(UseWord{Use::none, 0}.raw());
        state_.stamp_.store(0, std::memory_order_relaxed);
    }

    [[nodiscard]] bool is_shadow() const { return state_.use() == Use::shadow; }
    [[nodiscard]] unsigned level() const { return static_cast<unsigned>(read() >> kLevelShift & 7); }
    [[nodiscard]] unsigned held() const { return static_cast<unsigned>(read() & kCountMask); }
    [[nodiscard]] unsigned lent() const { return static_cast<unsigned>(read() >> kLentShift & kCountMask); }

    /// The guest's table; invalid once it has left. Without the table's lock this is a hint: lock, then see whether the
    /// table links back here.
    [[nodiscard]] base::Mfn table() const { return state_.link(); }
    /// REQUIRES: no entry leads here.
    void leave_table() {
        ASSERT(hooks() == 0);
        state_.clear_link();
    }

    /// Entries of shadows that name this page, present or hidden; from none on it may be evicted (evict.hpp).
    [[nodiscard]] std::uint32_t hooks() const { return state_.stamp_.load(std::memory_order_acquire); }
    void count_hook(bool more) {
        auto const before = more ? state_.stamp_.fetch_add(1) : state_.stamp_.fetch_sub(1);
        ASSERT(more || before > 0);
    }

    /// It was needed just now: by a fault, or as a root. The hand of the clock lets it be for a whole round (evict.hpp).
    void set_new() { write(read() | kNew); }
    [[nodiscard]] bool is_new() const { return (read() & kNew) != 0; }
    /// The hand passes.
    void grow_older() { write(is_new() ? read() - kNewStep : read()); }

    /// What it held is its table's alone again: every slot is empty.
    void forget_held() { write(read() & ~(kCountMask | kCountMask << kLentShift)); }
    void count_held(bool more, bool is_lent) {
        auto const step = 1 + (is_lent ? std::uint64_t{1} << kLentShift : 0);
        ASSERT(more || held() > 0);
        write(more ? read() + step : read() - step);
    }

    /// The harvest that last visited it (SP-20); numbers start at 1.
    static constexpr std::uint32_t kMostHarvests = 0xff'ffff;
    [[nodiscard]] std::uint32_t visited() const { return static_cast<std::uint32_t>(read() >> kVisitedShift); }
    void set_visited(std::uint32_t harvest) {
        write((read() & ~(std::uint64_t{kMostHarvests} << kVisitedShift)) | std::uint64_t{harvest} << kVisitedShift);
    }
    /// It is among the starts of the next harvest.
    [[nodiscard]] bool listed() const { return (read() & kListed) != 0; }
    void set_listed(bool on) { write(on ? read() | kListed : read() & ~kListed); }

    [[nodiscard]] base::Mfn next() const {
        auto const raw = state_.stamp_.load(std::memory_order_relaxed);
        return raw == 0 ? base::Mfn{} : base::Mfn{raw};
    }
    void set_next(base::Mfn next) {
        auto const raw = next.valid() ? static_cast<std::uint32_t>(next.raw()) : 0;
        state_.stamp_.store(raw, std::memory_order_relaxed);
    }

  private:
    static constexpr unsigned kLentShift = 10;
    static constexpr unsigned kLevelShift = 20;
    static constexpr unsigned kVisitedShift = 40;
    static constexpr std::uint64_t kNew = std::uint64_t{3} << 23;
    static constexpr std::uint64_t kNewStep = std::uint64_t{1} << 23;
    static constexpr std::uint64_t kListed = std::uint64_t{1} << 36;
    static constexpr std::uint64_t kCountMask = 0x3ff;

    [[nodiscard]] std::uint64_t read() const { return state_.word_.load(std::memory_order_relaxed); }
    void write(std::uint64_t word) { state_.word_.store(word, std::memory_order_release); }

    FrameState& state_;
};

} // namespace shadow_pt
