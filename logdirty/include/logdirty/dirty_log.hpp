/// A domain's log of dirty frames: one bit for each of its frame numbers, set by whoever learns of a write, on any CPU, and taken
/// by who copies the memory (docs/shadow-paging.md SP-5, SP-21, SP-22).
///
///     write ──▶ mark() ──▶ [ dirty ] ──▶ take() ──▶ flush ──▶ the frame is read
///
/// Whoever writes marks *after* writing. Whoever reads a frame because of a bit first takes the bit, then has every CPU flush, then
/// reads: what was written before is read, and what a stale translation still writes is written before the flush ends. So no mark
/// is lost, whatever happens in between.
///
/// Beside it lie the frames that another domain may write to by a mapping of its own: those are written without a trace in this
/// domain's tables. They are told as a class of their own, or count as dirty, as long as such a mapping stands.
///
/// And it remembers which frames have been page tables since it began, and some that no longer are: so whoever wants a domain's tables
/// need not look at each of its frames.
///
/// A log has bits for so many frame numbers. What is written beyond them (by a domain that grew) has it answer that all of those
/// are dirty, from then on: too much, but never too little.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/assert.hpp"
#include "base/frame.hpp"
#include "logdirty/grouped_bits.hpp"
#include "logdirty/heat.hpp"

namespace logdirty {

/// From here on numbers are of no RAM (SP-25).
inline constexpr base::Gfn kEndOfRam{(std::uint64_t{1} << 32) - (std::uint64_t{1} << 24)};

/// The memory of a log.
class Pages {
  public:
    /// How many words it takes for numbers below @p frames, a multiple of 64.
    static constexpr std::uint64_t words_for(std::uint64_t frames) {
        return kKinds * GroupedBits::memory_for(frames) + heat_words(frames);
    }
    /// @p memory: words_for() words of zeroes.
    Pages(std::uint64_t frames, std::span<std::uint64_t> memory)
        : dirty{frames, bits_in(memory, 0, frames)},
          foreign{frames, bits_in(memory, 1, frames)},
          tables{frames, bits_in(memory, 2, frames)},
          frames_{frames},
          memory_{memory} {
        ASSERT(frames % kWordBits == 0);
    }

    [[nodiscard]] std::uint64_t frames() const { return frames_; }
    [[nodiscard]] std::span<std::uint64_t> memory() const { return memory_; }
    [[nodiscard]] Heat& heat(std::uint64_t region) const {
        auto* const words = memory_.last(heat_words(frames_)).data();
        return reinterpret_cast<Heat*>(words)[region];
    }
    [[nodiscard]] std::uint64_t regions() const { return (frames_ + Heat::kFrames - 1) / Heat::kFrames; }

    GroupedBits dirty, foreign, tables;
    Pages* smaller = nullptr; ///< what the log had before: other CPUs may be marking in it

  private:
    static constexpr unsigned kKinds = 3; ///< of bits
    static std::span<std::uint64_t> bits_in(std::span<std::uint64_t> memory, unsigned kind, std::uint64_t frames) {
        auto const words = GroupedBits::memory_for(frames);
        return memory.subspan(kind * words, words);
    }
    static constexpr std::uint64_t heat_words(std::uint64_t frames) {
        return (frames + 2 * Heat::kFrames - 1) / (2 * Heat::kFrames);
    }

    std::uint64_t frames_;
    std::span<std::uint64_t> memory_;
};

class DirtyLog {
  public:
    /// Bits from here on are kept in @p pages, which has more room than those before, and stays until the domain dies.
    /// REQUIRES: off.
    void adopt(Pages& pages) {
        ASSERT(!on() && pages.frames() > frames());
        pages.smaller = pages_.load();
        pages_.store(&pages);
    }
    /// How many frames it has bits for.
    [[nodiscard]] std::uint64_t frames() const { return has_memory() ? pages().frames() : 0; }
    /// The last that was adopted; null: none. REQUIRES, to give it back: nobody marks any more.
    [[nodiscard]] Pages* memory() const { return pages_.load(); }

    /// From now on marks are kept; nothing is dirty, nothing foreign, and no table known. REQUIRES: has memory, and off.
    void start() {
        ASSERT(has_memory() && !on());
        pages().dirty.clear_all();
        pages().foreign.clear_all();
        pages().tables.clear_all();
        all_tables_told_.store(false);
        beyond_.store(false);
        on_.store(true);
    }
    void stop() { on_.store(false); }
    [[nodiscard]] bool on() const { return on_.load(std::memory_order_acquire); }
    /// A harvest begins: what is marked from here on counts for the next epoch of the regions' heat.
    void begin_harvest() {
        epoch_.store((epoch_.load(std::memory_order_relaxed) + 1) % Heat::kEpochs, std::memory_order_relaxed);
    }

    /// @p gfn was written. Nothing while the log is off, or for a number of no RAM.
    void mark(base::Gfn gfn) {
        if (!on() || !has_bit(gfn))
            return;
        pages().dirty.set(gfn.raw());
        pages().heat(gfn.raw() / Heat::kFrames).warm(epoch_.load(std::memory_order_relaxed));
    }
    /// Another domain may write to @p gfn from now on, or none may any more.
    void set_foreign(base::Gfn gfn, bool writable) {
        if (!on() || !has_bit(gfn))
            return;
        if (writable)
            pages().foreign.set(gfn.raw());
        else
            pages().foreign.clear(gfn.raw());
    }
    /// @p gfn is a page table.
    void tell_table(base::Gfn gfn) {
        if (on() && has_bit(gfn))
            pages().tables.set(gfn.raw());
    }
    /// Those that were tables when the log began have been told, too.
    void all_tables_told() { all_tables_told_.store(true); }
    /// look_at_tables() has all there are. It stays so until the log is started anew, or a table comes that has no bit.
    [[nodiscard]] bool knows_tables() const { return on() && all_tables_told_.load() && !beyond_.load(); }
    /// Calls @p visit(Gfn) for each frame that may be a table from @p cursor on, before @p end (GroupedBits::look_through).
    template <typename Visit>
    bool look_at_tables(base::Gfn& cursor, base::Gfn end, std::uint32_t budget, Visit&& visit) const {
        auto at = cursor.raw();
        bool const all = pages().tables.look_through(at, end.raw(), budget, [&](auto bit) { visit(base::Gfn{bit}); });
        cursor = base::Gfn{at};
        return all;
    }
    /// Marks all frames that others may write to.
    void mark_foreign() {
        auto& foreign = pages().foreign;
        foreign.for_each_group([&](std::uint64_t group) {
            for (auto index = group * kGroupWords; index < foreign.end_of(group); ++index)
                pages().dirty.add(index, foreign.peek(index));
        });
    }

    // --- by words of 64 frames, as many as lie in one group of kGroupWords; answers whether any bit is set ------------------

    bool peek(std::uint64_t first, std::span<std::uint64_t> into) const { return look(pages().dirty, first, into); }
    bool foreign(std::uint64_t first, std::span<std::uint64_t> into) const {
        return look(pages().foreign, first, into);
    }
    /// Reads the words, and clears them.
    bool take(std::uint64_t first, std::span<std::uint64_t> into) {
        auto& dirty = pages().dirty;
        auto const group = first / kGroupWords;
        if (group >= dirty.groups() || !dirty.any_in_group(group))
            return look(dirty, first, into);
        if (first % kGroupWords == 0 && first + into.size() >= dirty.end_of(group))
            dirty.begin_group(group);
        return fill(first, into,
                    [&](std::uint64_t index) { return index < dirty.words() ? dirty.take(index) : beyond(); });
    }
    /// Marks the frames of words; as when what was taken could not be delivered.
    void put_back(std::uint64_t first, std::span<std::uint64_t const> words) {
        for (auto const bits : words) {
            if (first < pages().dirty.words())
                pages().dirty.add(first, bits);
            ++first;
        }
    }
    void clear() { pages().dirty.clear_all(); }

    /// How hot the 2 MiB are that frame @p gfn lies in.
    [[nodiscard]] std::uint8_t heat(base::Gfn gfn) const {
        return gfn.raw() < frames() ? pages().heat(gfn.raw() / Heat::kFrames).at(epoch_.load(std::memory_order_relaxed))
                                    : 0;
    }

  private:
    [[nodiscard]] Pages& pages() const { return *pages_.load(std::memory_order_acquire); }
    [[nodiscard]] bool has_memory() const { return pages_.load(std::memory_order_relaxed) != nullptr; }
    [[nodiscard]] bool has_bit(base::Gfn gfn) {
        if (gfn.raw() < pages().frames())
            return true;
        if (gfn < kEndOfRam)
            beyond_.store(true);
        return false;
    }
    [[nodiscard]] std::uint64_t beyond() const { return beyond_.load() ? ~std::uint64_t{0} : 0; }

    template <typename Word> static bool fill(std::uint64_t first, std::span<std::uint64_t> into, Word&& word) {
        std::uint64_t any = 0;
        for (auto& one : into)
            any |= one = word(first++);
        return any != 0;
    }
    bool look(GroupedBits const& bits, std::uint64_t first, std::span<std::uint64_t> into) const {
        auto const group = first / kGroupWords;
        bool const none = group < bits.groups() && !bits.any_in_group(group);
        return fill(first, into, [&](std::uint64_t index) {
            if (index >= bits.words())
                return beyond();
            return none ? 0 : bits.peek(index);
        });
    }

    std::atomic<Pages*> pages_{nullptr};
    std::atomic<bool> on_{false};
    std::atomic<bool> all_tables_told_{false};
    std::atomic<bool> beyond_{false}; ///< something was written, or became a table, that there is no bit for
    std::atomic<std::uint32_t> epoch_{0};
};

} // namespace logdirty
