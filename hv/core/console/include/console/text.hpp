/// Text without a runtime.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace console {

// std::string_view's find, substr and construction from a pointer want memchr, exceptions and strlen, which bare metal
// has not.

/// Where the first @p wanted is in @p text; its size if there is none.
constexpr std::size_t find(std::string_view text, char wanted) {
    std::size_t at = 0;
    while (at < text.size() && text[at] != wanted)
        ++at;
    return at;
}

/// The characters of @p text from @p first up to @p end, both within it.
constexpr std::string_view part(std::string_view text, std::size_t first, std::size_t end) {
    return {text.data() + first, end - first};
}

/// A text that ends in NUL.
constexpr std::string_view view_of(char const* text) {
    std::size_t size = 0;
    while (text[size] != 0)
        ++size;
    return {text, size};
}

/// A short text in place: it never grows beyond its capacity, and says when something was cut off.
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
