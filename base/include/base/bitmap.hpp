/// A set of small numbers in a fixed array of words. Plain, not atomic: who shares one guards it.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"

namespace base {

template <std::size_t Bits> class Bitmap {
  public:
    static constexpr std::size_t size() { return Bits; }

    [[nodiscard]] constexpr bool test(std::size_t bit) const { return (word(bit) & mask(bit)) != 0; }
    constexpr void set(std::size_t bit) { word(bit) |= mask(bit); }
    constexpr void clear(std::size_t bit) { word(bit) &= ~mask(bit); }
    constexpr void clear_all() { words_ = {}; }

    [[nodiscard]] constexpr bool none() const {
        for (auto const one : words_)
            if (one != 0)
                return false;
        return true;
    }

    constexpr Bitmap& operator|=(Bitmap const& other) {
        for (std::size_t i = 0; i < words_.size(); ++i)
            words_[i] |= other.words_[i];
        return *this;
    }
    constexpr Bitmap& operator&=(Bitmap const& other) {
        for (std::size_t i = 0; i < words_.size(); ++i)
            words_[i] &= other.words_[i];
        return *this;
    }
    constexpr bool operator==(Bitmap const&) const = default;

    /// The first set bit at or after @p from; `size()` if there is none.
    [[nodiscard]] constexpr std::size_t find_next(std::size_t from) const {
        for (std::size_t bit = from; bit < Bits;) {
            auto const rest = words_[bit / 64] >> (bit % 64);
            if (rest != 0) {
                auto const found = bit + static_cast<std::size_t>(std::countr_zero(rest));
                return found < Bits ? found : Bits;
            }
            bit = (bit / 64 + 1) * 64;
        }
        return Bits;
    }

    /// Calls @p visit(bit) for each member, in rising order.
    template <typename Visit> constexpr void for_each(Visit&& visit) const {
        for (std::size_t bit = find_next(0); bit < Bits; bit = find_next(bit + 1))
            visit(bit);
    }

  private:
    [[nodiscard]] constexpr std::uint64_t const& word(std::size_t bit) const {
        ASSERT(bit < Bits);
        return words_[bit / 64];
    }
    constexpr std::uint64_t& word(std::size_t bit) {
        ASSERT(bit < Bits);
        return words_[bit / 64];
    }
    static constexpr std::uint64_t mask(std::size_t bit) { return std::uint64_t{1} << (bit % 64); }

    std::array<std::uint64_t, (Bits + 63) / 64> words_{};
};

} // namespace base
