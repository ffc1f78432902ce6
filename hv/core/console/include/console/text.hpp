/// A short text in place: it never grows beyond its capacity, and says when something was cut off.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace console {

template <std::size_t Capacity> class Text {
  public:
    void put(std::string_view text) {
        for (char const c : text)
            push_back(c);
    }
    void push_back(char c) {
        if (size_ < Capacity)
            characters_[size_++] = c;
        else
            cut_ = true;
    }
    void clear() {
        size_ = 0;
        cut_ = false;
    }

    [[nodiscard]] std::string_view view() const { return {characters_.data(), size_}; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] bool full() const { return size_ == Capacity; }
    [[nodiscard]] bool cut() const { return cut_; }

  private:
    std::array<char, Capacity> characters_{};
    std::size_t size_ = 0;
    bool cut_ = false;
};

} // namespace console
