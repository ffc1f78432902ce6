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
/// domain's tables. They count as dirty as long as such a mapping stands.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/assert.hpp"
#include "base/frame.hpp"

namespace logdirty {

class DirtyLog {
  public:
    static constexpr unsigned kBits = 64;

    /// How many words a log of frames below @p frames takes.
    static constexpr std::uint64_t words_for(std::uint64_t frames) { return 2 * ((frames + kBits - 1) / kBits); }

    /// The memory to keep it in, once; it stays until the domain dies, since other CPUs may be marking.
    void adopt(std::span<std::uint64_t> words) {
        ASSERT(!has_memory() && words.size() % 2 == 0);
        dirty_ = words.first(words.size() / 2);
        foreign_ = words.last(words.size() / 2);
    }
    [[nodiscard]] bool has_memory() const { return !dirty_.empty(); }
    /// What adopt() was given. REQUIRES: nobody marks any more.
    [[nodiscard]] std::span<std::uint64_t> memory() const { return {dirty_.data(), 2 * dirty_.size()}; }

    /// From now on marks are kept; nothing is dirty, and nothing foreign.
    void start() {
        ASSERT(has_memory() && !on());
        for (auto* const half : {&dirty_, &foreign_})
            for (auto& word : *half)
                std::atomic_ref{word}.store(0, std::memory_order_relaxed);
        on_.store(true);
    }
    void stop() { on_.store(false); }
    [[nodiscard]] bool on() const { return on_.load(std::memory_order_acquire); }

    /// @p gfn was written. Nothing while the log is off, or for a number that it has no bit for (a special page's).
    void mark(base::Gfn gfn) {
        if (on())
            set(dirty_, gfn, true);
    }
    /// Another domain may write to @p gfn from now on, or none may any more.
    void set_foreign(base::Gfn gfn, bool writable) {
        if (on())
            set(foreign_, gfn, writable);
    }
    /// Marks all frames that others may write to.
    void mark_foreign() {
        for (std::size_t index = 0; index < foreign_.size(); ++index)
            put_back(index, load(foreign_, index));
    }

    // --- by words of 64 frames; those beyond the log are 0 ---------------------------------------------------------------

    [[nodiscard]] std::uint64_t peek(std::uint64_t index) const {
        return index < dirty_.size() ? load(dirty_, index) : 0;
    }
    /// Reads the word, and clears it.
    [[nodiscard]] std::uint64_t take(std::uint64_t index) {
        return index < dirty_.size() && load(dirty_, index) != 0 ? std::atomic_ref{dirty_[index]}.exchange(0) : 0;
    }
    /// Marks the frames of a word; as when what was taken could not be delivered.
    void put_back(std::uint64_t index, std::uint64_t bits) {
        if (bits != 0)
            std::atomic_ref{dirty_[index]}.fetch_or(bits);
    }
    void clear() {
        for (std::size_t index = 0; index < dirty_.size(); ++index)
            static_cast<void>(take(index));
    }

  private:
    static std::uint64_t load(std::span<std::uint64_t> words, std::uint64_t index) {
        return std::atomic_ref{words[index]}.load(std::memory_order_acquire);
    }
    static void set(std::span<std::uint64_t> words, base::Gfn gfn, bool on) {
        auto const index = gfn.raw() / kBits;
        if (index >= words.size())
            return;
        auto const bit = std::uint64_t{1} << gfn.raw() % kBits;
        // Most marks find the bit as it should be: a locked operation less. Sequentially consistent, so that a mark is either seen
        // by who takes the word, or comes after.
        std::atomic_ref const word{words[index]};
        if (((word.load() & bit) != 0) == on)
            return;
        if (on)
            word.fetch_or(bit);
        else
            word.fetch_and(~bit);
    }

    std::span<std::uint64_t> dirty_, foreign_;
    std::atomic<bool> on_{false};
};

} // namespace logdirty
