/// Bits in words, set by any CPU, with a second layer above: one bit for each group of 64 words, so that who takes what is set
/// looks at what there is, not at how much there could be.
///
///     groups   1 0 0 1 ...           0: all words of the group are 0
///     words    64 words each         of 64 bits
///
/// A bit is set first, its group's then; who takes clears the group's bit first, and takes the words then. So a bit that was set
/// by the time that set() returned is taken, or its group still says so.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <span>

namespace logdirty {

inline constexpr unsigned kWordBits = 64;
inline constexpr unsigned kGroupWords = 64;

class GroupedBits {
  public:
    static constexpr std::uint64_t words_for(std::uint64_t bits) { return (bits + kWordBits - 1) / kWordBits; }
    /// How much memory it takes: the words, and the groups' own.
    static constexpr std::uint64_t memory_for(std::uint64_t bits) {
        return words_for(bits) + words_for(groups_for(words_for(bits)));
    }

    GroupedBits() = default;
    /// @p memory: memory_for() words of zeroes.
    explicit GroupedBits(std::uint64_t bits, std::span<std::uint64_t> memory)
        : words_{memory.first(words_for(bits))}, groups_{memory.subspan(words_for(bits))} {}

    [[nodiscard]] std::uint64_t words() const { return words_.size(); }
    [[nodiscard]] std::uint64_t groups() const { return groups_for(words_.size()); }

    // Sequentially consistent, so that a mark is either seen by who takes the word, or comes after.

    void set(std::uint64_t bit) { add(bit / kWordBits, std::uint64_t{1} << bit % kWordBits); }
    void clear(std::uint64_t bit) {
        std::atomic_ref const word{words_[bit / kWordBits]};
        if (auto const mask = std::uint64_t{1} << bit % kWordBits; (word.load() & mask) != 0)
            word.fetch_and(~mask);
    }
    /// Sets all of @p bits in a word. Most find them set: a locked operation less.
    void add(std::uint64_t index, std::uint64_t bits) {
        if (bits == 0)
            return;
        set_in(words_[index], bits);
        set_in(groups_[index / kGroupWords / kWordBits], std::uint64_t{1} << index / kGroupWords % kWordBits);
    }

    [[nodiscard]] std::uint64_t peek(std::uint64_t index) const { return std::atomic_ref{words_[index]}.load(); }
    /// Reads the word, and clears it.
    [[nodiscard]] std::uint64_t take(std::uint64_t index) {
        return peek(index) != 0 ? std::atomic_ref{words_[index]}.exchange(0) : 0;
    }

    /// Something may be set in it.
    [[nodiscard]] bool any_in_group(std::uint64_t group) const {
        return (std::atomic_ref{groups_[group / kWordBits]}.load() >> group % kWordBits & 1) != 0;
    }
    /// All of its words are taken next.
    void begin_group(std::uint64_t group) {
        std::atomic_ref{groups_[group / kWordBits]}.fetch_and(~(std::uint64_t{1} << group % kWordBits));
    }
    /// Calls @p visit(group) for those in which something may be set.
    template <typename Visit> void for_each_group(Visit&& visit) const {
        for (std::uint64_t index = 0; index < groups_.size(); ++index)
            for (auto bits = std::atomic_ref{groups_[index]}.load(); bits != 0; bits &= bits - 1)
                visit(index * kWordBits + static_cast<unsigned>(std::countr_zero(bits)));
    }
    /// Calls @p visit(bit) for those that are set from @p cursor on, before @p end, in rising order. It looks at @p budget words or
    /// a few more, and says with @p cursor where to go on; true: all.
    template <typename Visit>
    bool look_through(std::uint64_t& cursor, std::uint64_t end, std::uint32_t budget, Visit&& visit) const {
        for (std::uint32_t looked = 0; cursor < end; ++looked) {
            if (looked >= budget)
                return false;
            auto const index = cursor / kWordBits, group = index / kGroupWords;
            if (index >= words())
                break;
            if (!any_in_group(group)) {
                cursor = end_of(group) * kWordBits;
                continue;
            }
            auto const first = index * kWordBits;
            for (auto bits = peek(index) >> cursor % kWordBits << cursor % kWordBits; bits != 0; bits &= bits - 1)
                if (auto const bit = first + static_cast<unsigned>(std::countr_zero(bits)); bit < end)
                    visit(bit);
            cursor = first + kWordBits;
        }
        return true;
    }
    void clear_all() {
        for_each_group([&](std::uint64_t group) {
            begin_group(group);
            for (auto index = group * kGroupWords; index < end_of(group); ++index)
                static_cast<void>(take(index));
        });
    }
    /// One past the last word of a group.
    [[nodiscard]] std::uint64_t end_of(std::uint64_t group) const {
        auto const end = (group + 1) * kGroupWords;
        return end < words_.size() ? end : words_.size();
    }

  private:
    static constexpr std::uint64_t groups_for(std::uint64_t words) { return (words + kGroupWords - 1) / kGroupWords; }
    static void set_in(std::uint64_t& where, std::uint64_t bits) {
        if (std::atomic_ref const word{where}; (word.load() & bits) != bits)
            word.fetch_or(bits);
    }

    std::span<std::uint64_t> words_, groups_;
};

} // namespace logdirty
