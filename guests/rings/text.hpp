/// Paths and values as the store has them: words and numbers, one after the other.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

class Text {
  public:
    template <typename... Pieces> explicit Text(Pieces const&... pieces) { (put(pieces), ...); }

    operator std::string_view() const { return {text_, size_}; } // NOLINT: it is one

  private:
    void put(std::string_view piece) {
        for (char const letter : piece)
            if (size_ < sizeof text_)
                text_[size_++] = letter;
    }
    template <std::unsigned_integral T> void put(T number) {
        if (number >= 10)
            put(number / 10);
        char const digit = static_cast<char>('0' + number % 10);
        put(std::string_view{&digit, 1});
    }

    char text_[256];
    unsigned size_ = 0;
};

/// What ends a word in a message to the store.
inline constexpr std::string_view kEnd{"\0", 1};
