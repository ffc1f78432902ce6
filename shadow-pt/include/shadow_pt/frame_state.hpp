/// What a frame is used for, in one atomic word (SP-1), beside a link to its shadow and a stamp: 16 bytes a frame.
///
///     free ──make_available()──▶ none ──get(writable)──▶ writable ──last put──▶ none
///                                 │ └───get(descriptor)─▶ descriptor ─last put─▶ none
///                                 └─────get_table(l1..l4)▶ table (below) ──last put, torn down──▶ none ──▶ free
///
/// A frame has one use at a time and counts its users: who asks for another use is refused, so that a table is never
/// mapped writable, and a frame in use at one level is no table of another. This is the promise to the guest that Xen
/// makes too; the safety of the hypervisor does not rest on it (it comes from translation).
///
/// A table's word also says how far its shadow has come (SP-3, SP-9):
///
///     claimed   partial, count 0, locked   by the first to ask; its entries are read only after SP-6's flush
///     partial   count n                    the shadow lacks entries from the cursor on; nobody new may use it yet
///     ready     count n                    the shadow holds all that the guest's table says; or there is none, and the
///                                          table is *bare*: it holds by its words alone (bare.hpp, SP-10), or is an L1
///                                          that is *unread*, and holds nothing yet (SP-23)
///
/// A count moves only at the end of a build, or at the end of the last user's leaving. So an operation that was
/// preempted in the middle is simply called again, and one that wants a table which somebody else began to leave, or
/// to build, does the rest of the work itself.
///
/// The lock bit excludes emulated stores, updates, hidden faults and harvests of one table from each other (SP-8).
/// A CPU takes table locks from parent to child only: levels fall strictly, so that there is no circle.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/assert.hpp"
#include "base/error.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"

namespace shadow_pt {

enum class Use : std::uint8_t {
    free,     ///< on the allocator's lists; what zeroed memory says
    none,     ///< owned, and not restricted yet
    writable, ///< mapped writable, granted writable, registered, or being written for a guest
    l1,       ///< a guest's page table of that level
    l2,
    l3,
    l4,
    descriptor, ///< a page of a GDT or LDT (SP-29)
    shadow,     ///< a shadow page of the hypervisor: then the whole word has another meaning (shadow_page.hpp)
};

constexpr Use table_use(unsigned level) {
    ASSERT(level >= 1 && level <= 4);
    return static_cast<Use>(static_cast<unsigned>(Use::l1) + level - 1);
}
constexpr bool is_table(Use use) { return use >= Use::l1 && use <= Use::l4; }
constexpr unsigned table_level(Use use) {
    ASSERT(is_table(use));
    return static_cast<unsigned>(use) - static_cast<unsigned>(Use::l1) + 1;
}

/// One reading of the word. Bits: 0-31 count, 32-35 use, 36 pinned, 37 partial, 38 lock, 39 queued, 40-49 cursor, 50 bare.
class UseWord {
  public:
    static constexpr std::uint64_t kMaxCount = 0xffff'ffff;

    constexpr explicit UseWord(std::uint64_t raw) : raw_{raw} {}
    constexpr UseWord(Use use, std::uint64_t count) : raw_{count | static_cast<std::uint64_t>(use) << kUseShift} {}

    [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }
    [[nodiscard]] constexpr std::uint64_t count() const { return raw_ & kMaxCount; }
    [[nodiscard]] constexpr Use use() const { return static_cast<Use>(raw_ >> kUseShift & 0xf); }
    [[nodiscard]] constexpr bool pinned() const { return (raw_ & kPinned) != 0; }
    [[nodiscard]] constexpr bool partial() const { return (raw_ & kPartial) != 0; }
    [[nodiscard]] constexpr bool locked() const { return (raw_ & kLocked) != 0; }
    /// Of a partial table: where its build goes on. Of a bare one: its entries below are held; if it is ready that is all of them, or
    /// none, of an L1 that is unread (SP-23).
    [[nodiscard]] constexpr unsigned cursor() const { return static_cast<unsigned>(raw_ >> kCursorShift & 0x3ff); }
    /// A table that has no shadow, and holds what its words below the cursor name (bare.hpp).
    [[nodiscard]] constexpr bool bare() const { return (raw_ & kBare) != 0; }
    /// A bare table whose last entry elsewhere is gone, and that use is still to be given back (remains.hpp).
    [[nodiscard]] constexpr bool queued() const { return (raw_ & kQueued) != 0; }
    constexpr bool operator==(UseWord const&) const = default;

    [[nodiscard]] constexpr UseWord counted_up() const { return UseWord{raw_ + 1}; }
    [[nodiscard]] constexpr UseWord counted_down() const { return UseWord{raw_ - 1}; }
    [[nodiscard]] constexpr UseWord with_pin(bool on) const { return with(kPinned, on); }
    [[nodiscard]] constexpr UseWord with_partial(bool on) const { return with(kPartial, on); }
    [[nodiscard]] constexpr UseWord with_lock(bool on) const { return with(kLocked, on); }
    [[nodiscard]] constexpr UseWord with_bare(bool on) const { return with(kBare, on); }
    [[nodiscard]] constexpr UseWord with_queued(bool on) const { return with(kQueued, on); }
    [[nodiscard]] constexpr UseWord with_cursor(unsigned cursor) const {
        return UseWord{(raw_ & ~(std::uint64_t{0x3ff} << kCursorShift)) | std::uint64_t{cursor} << kCursorShift};
    }

  private:
    static constexpr unsigned kUseShift = 32;
    static constexpr unsigned kCursorShift = 40;
    static constexpr std::uint64_t kPinned = std::uint64_t{1} << 36;
    static constexpr std::uint64_t kPartial = std::uint64_t{1} << 37;
    static constexpr std::uint64_t kLocked = std::uint64_t{1} << 38;
    static constexpr std::uint64_t kQueued = std::uint64_t{1} << 39;
    static constexpr std::uint64_t kBare = std::uint64_t{1} << 50;

    [[nodiscard]] constexpr UseWord with(std::uint64_t bit, bool on) const {
        return UseWord{on ? raw_ | bit : raw_ & ~bit};
    }

    std::uint64_t raw_;
};

/// What came of asking for, or giving back, a table.
enum class TableStep : std::uint8_t {
    done,    ///< the count moved
    claimed, ///< the frame was `none` and is now this table: locked, partial; flush (SP-6), then build
    build,   ///< locked, partial: build from the cursor on
    last,    ///< locked, partial, count 1: the last user leaves; take the shadow away, then left() or pause()
    refused, ///< another use, or too many users
};

/// Whether giving up a table gives up its pin as well.
enum class Unpin : bool { no, yes };

class FrameState {
  public:
    [[nodiscard]] UseWord word() const { return UseWord{word_.load(std::memory_order_acquire)}; }
    [[nodiscard]] Use use() const { return word().use(); }

    // --- life: the frame allocator -----------------------------------------------------------------------------------

    /// free -> none: the frame has an owner.
    void make_available() { replace_exactly(UseWord{Use::free, 0}, UseWord{Use::none, 0}); }

    /// none -> free. REQUIRES: nobody uses the frame, and it has no shadow.
    void make_free() {
        ASSERT(link_.load(std::memory_order_relaxed) == 0);
        replace_exactly(UseWord{Use::none, 0}, UseWord{Use::free, 0});
    }

    // --- counted uses: writable and descriptor -------------------------------------------------------------------------

    /// One user more of @p use (writable or descriptor); `invalid` if the frame has another use (SP-1), or the count
    /// is full. Who makes a descriptor page flushes first (SP-6): Paging::get_descriptor().
    base::Status get(Use use) {
        ASSERT(use == Use::writable || use == Use::descriptor);
        for (auto old = word();;) {
            bool const fresh = old == UseWord{Use::none, 0};
            if (!fresh && (old.use() != use || old.count() == UseWord::kMaxCount))
                return base::Err{base::Error::invalid};
            if (replace(old, fresh ? UseWord{use, 1} : old.counted_up()))
                return {};
        }
    }

    /// One user less; the last makes the frame `none`.
    void put(Use use) {
        for (auto old = word();;) {
            ASSERT(old.use() == use && old.count() > 0);
            if (replace(old, old.count() == 1 ? UseWord{Use::none, 0} : old.counted_down()))
                return;
        }
    }

    base::Status get_writable() { return get(Use::writable); }
    void put_writable() { put(Use::writable); }

    // --- tables ------------------------------------------------------------------------------------------------------

    /// One user more of the table @p level (an entry, a root, a pin), or the work to be done before that: after
    /// `claimed` and `build` call built() at the end, or pause().
    TableStep get_table(unsigned level) {
        auto const use = table_use(level);
        for (auto old = word();;) {
            if (old == UseWord{Use::none, 0}) {
                if (replace(old, UseWord{use, 0}.with_partial(true).with_lock(true)))
                    return TableStep::claimed;
            } else if (old.use() != use || old.count() == UseWord::kMaxCount) {
                return TableStep::refused;
            } else if (!old.partial()) {
                if (replace(old, old.counted_up()))
                    return TableStep::done;
            } else if (old.locked()) {
                old = wait();
            } else if (replace(old, old.with_lock(true))) {
                return TableStep::build;
            }
        }
    }

    /// The build is complete: the table is ready, has one user more, and is unlocked; a bare one holds all its entries, or none
    /// yet. REQUIRES: get_table() said so.
    void built(unsigned held_if_bare = base::kTableEntries) {
        for (auto old = word();;) {
            ASSERT(old.locked() && old.partial() && old.count() < UseWord::kMaxCount);
            auto const held = old.bare() ? held_if_bare : 0;
            if (replace(old, old.counted_up().with_partial(false).with_cursor(held).with_lock(false)))
                return;
        }
    }

    /// One user less. `last`: it stays counted, on a partial table, until left(). With Unpin::yes the user is the pin:
    /// `refused` if it is gone already, which a guest that unpins twice can bring about.
    TableStep put_table(unsigned level, Unpin unpin = Unpin::no) {
        for (auto old = word();;) {
            if (unpin == Unpin::yes && (old.use() != table_use(level) || !old.pinned()))
                return TableStep::refused;
            ASSERT(old.use() == table_use(level) && old.count() > 0);
            if (old.count() > 1) {
                auto const fewer = old.counted_down();
                if (replace(old, unpin == Unpin::yes ? fewer.with_pin(false) : fewer))
                    return TableStep::done;
            } else if (old.locked()) {
                old = wait();
            } else if (replace(old, (old.bare() ? old : old.with_cursor(0)).with_partial(true).with_lock(true))) {
                return TableStep::last;
            }
        }
    }

    /// The last user is gone, or a build is given up that nobody else waits for: the frame is `none`.
    /// REQUIRES: locked, partial, and its shadow taken away.
    void left() {
        auto const old = word();
        ASSERT(old.locked() && old.partial() && !old.bare() && old.count() <= 1);
        ASSERT(link_.load(std::memory_order_relaxed) == 0);
        replace_exactly(old, UseWord{Use::none, 0});
    }

    /// Unlocks a partial table in the middle: work goes on at @p cursor when somebody asks again (SP-9).
    void pause(unsigned cursor) {
        for (auto old = word();;) {
            ASSERT(old.locked() && old.partial());
            if (replace(old, old.with_cursor(cursor).with_lock(false)))
                return;
        }
    }

    /// A build that waits must look at @p entry again. REQUIRES: locked.
    void revisit(unsigned entry) {
        for (auto old = word(); old.partial() && old.cursor() > entry;)
            if (replace(old, old.with_cursor(entry)))
                return;
    }

    /// The table is bare from now on, and its entries below @p held are held. REQUIRES: locked, no shadow.
    void make_bare(unsigned held) {
        ASSERT(!link().valid());
        change_locked([&](UseWord old) { return old.with_bare(true).with_cursor(held); });
    }
    /// It is not any more: a shadow holds all, or nothing is held. REQUIRES: locked, bare.
    void end_bare() {
        change_locked([](UseWord old) { return old.with_bare(false).with_cursor(0); });
    }
    /// How far the entries of a bare table are held. REQUIRES: locked.
    void set_cursor(unsigned cursor) {
        change_locked([&](UseWord old) { return old.with_cursor(cursor); });
    }

    /// Puts a bare table into a list (remains.hpp), where its link is the next one; and takes it out, with the next one.
    /// REQUIRES: locked.
    void enqueue(base::Mfn next) {
        ASSERT(!link().valid() && word().bare() && !word().queued());
        change_locked([](UseWord old) { return old.with_queued(true); });
        link_.store(next.valid() ? static_cast<std::uint32_t>(next.raw()) : 0, std::memory_order_release);
    }
    base::Mfn dequeue() {
        ASSERT(word().queued());
        auto const next = link_.exchange(0, std::memory_order_acq_rel);
        change_locked([](UseWord old) { return old.with_queued(false); });
        return next == 0 ? base::Mfn{} : base::Mfn{next};
    }

    /// Sets the pin; false if the table is pinned already. REQUIRES: the caller is counted as a user: now the pin is.
    [[nodiscard]] bool pin() {
        for (auto old = word();;) {
            ASSERT(is_table(old.use()) && old.count() > 0);
            if (old.pinned())
                return false;
            if (replace(old, old.with_pin(true)))
                return true;
        }
    }

    /// Holds a table's lock for a scope.
    class [[nodiscard]] TableLock {
      public:
        explicit TableLock(FrameState& locked) : state_{locked} {}
        TableLock(TableLock const&) = delete;
        TableLock& operator=(TableLock const&) = delete;
        ~TableLock() { state_.unlock_table(); }

      private:
        FrameState& state_;
    };

    /// Locks the table, if the frame is a table of @p level; false if it is something else.
    [[nodiscard]] bool lock_table(unsigned level) {
        auto const use = table_use(level);
        for (auto old = word();;) {
            if (old.use() != use)
                return false;
            if (old.locked())
                old = wait();
            else if (replace(old, old.with_lock(true)))
                return true;
        }
    }
    /// The same without waiting, and so for any table, whatever the caller has locked; false also if somebody has it.
    [[nodiscard]] bool try_lock_table(unsigned level) {
        auto old = word();
        return old.use() == table_use(level) && !old.locked() && replace(old, old.with_lock(true));
    }
    void unlock_table() {
        for (auto old = word();;) {
            ASSERT(old.locked());
            if (replace(old, old.with_lock(false)))
                return;
        }
    }

    // --- the link ------------------------------------------------------------------------------------------------------
    // A table frame's link names its shadow; a shadow page's link names its guest table. 0 means none: frame 0 is never
    // either. Written under the table's lock. A walker that met a shadow page in its last moment finds no link, or a
    // table that links back to another page, and starts over. Without the lock it is a hint, good for comparing only: a
    // queued table has another link in the same place.

    [[nodiscard]] base::Mfn link() const {
        auto const raw = link_.load(std::memory_order_acquire);
        return raw == 0 || word().queued() ? base::Mfn{} : base::Mfn{raw};
    }
    void set_link(base::Mfn frame) {
        ASSERT(frame.raw() != 0 && frame.raw() <= 0xffff'ffff);
        link_.store(static_cast<std::uint32_t>(frame.raw()), std::memory_order_release);
    }
    void clear_link() { link_.store(0, std::memory_order_release); }

    // --- the stamp -----------------------------------------------------------------------------------------------------

    /// When a mapping of the frame was last removed or narrowed (SP-2, SP-6); of a shadow page, when it was last
    /// unhooked (SP-11). Written by TlbClock::stamp().
    [[nodiscard]] std::atomic<std::uint32_t>& stamp() { return stamp_; }
    [[nodiscard]] std::uint32_t stamp() const { return stamp_.load(std::memory_order_acquire); }

  private:
    friend class ShadowPage;

    /// Acquire and release: who finds the new word sees all that was done before it was set.
    bool replace(UseWord& old, UseWord fresh) {
        auto raw = old.raw();
        bool const done = word_.compare_exchange_strong(raw, fresh.raw(), std::memory_order_acq_rel);
        if (!done)
            old = UseWord{raw};
        return done;
    }
    /// Of a table whose lock the caller holds: only the count and the pin change meanwhile.
    template <typename Change> void change_locked(Change&& change) {
        for (auto old = word();;) {
            ASSERT(is_table(old.use()) && old.locked());
            if (replace(old, change(old)))
                return;
        }
    }
    void replace_exactly(UseWord old, UseWord fresh) {
        auto expected = old;
        bool const done = replace(expected, fresh);
        ASSERT(done);
    }
    UseWord wait() {
        __builtin_ia32_pause();
        return word();
    }

    std::atomic<std::uint64_t> word_{0};
    std::atomic<std::uint32_t> link_{0};
    std::atomic<std::uint32_t> stamp_{0};
};

static_assert(sizeof(FrameState) == 16 && std::atomic<std::uint64_t>::is_always_lock_free);

} // namespace shadow_pt
