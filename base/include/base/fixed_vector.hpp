/// A list of at most N small values, stored in place. A full list says so: it never drops a value in silence.
#pragma once

#include <array>
#include <cstddef>

#include "base/assert.hpp"

namespace base {

template <typename T, std::size_t N> class FixedVector {
  public:
    static constexpr std::size_t capacity() { return N; }

    [[nodiscard]] constexpr std::size_t size() const { return size_; }
    [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
    [[nodiscard]] constexpr bool full() const { return size_ == N; }

    /// Appends @p value; false, and nothing changes, if the list is full.
    [[nodiscard]] constexpr bool push_back(T const& value) {
        if (full())
            return false;
        items_[size_++] = value;
        return true;
    }
    constexpr void clear() { size_ = 0; }
    /// Keeps the first @p size values.
    constexpr void truncate(std::size_t size) {
        ASSERT(size <= size_);
        size_ = size;
    }

    [[nodiscard]] constexpr T& operator[](std::size_t index) {
        ASSERT(index < size_);
        return items_[index];
    }
    [[nodiscard]] constexpr T const& operator[](std::size_t index) const {
        ASSERT(index < size_);
        return items_[index];
    }
    [[nodiscard]] constexpr T& back() { return (*this)[size_ - 1]; }
    [[nodiscard]] constexpr T const& back() const { return (*this)[size_ - 1]; }

    constexpr T* begin() { return items_.data(); }
    constexpr T* end() { return items_.data() + size_; }
    constexpr T const* begin() const { return items_.data(); }
    constexpr T const* end() const { return items_.data() + size_; }

  private:
    std::array<T, N> items_{};
    std::size_t size_ = 0;
};

} // namespace base
