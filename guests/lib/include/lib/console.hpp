/// Printing: text and numbers, piece by piece, through console_io.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

namespace lib {

struct Hex {
    std::uint64_t value;
};

void print_one(std::string_view text);
void print_one(std::uint64_t number);
void print_one(std::int64_t number);
void print_one(Hex number);

template <typename T> void print_one(T const& value) requires std::integral<T> {
    if constexpr (std::signed_integral<T>)
        print_one(static_cast<std::int64_t>(value));
    else
        print_one(static_cast<std::uint64_t>(value));
}

/// Prints @p pieces one after the other; a line ends with its own "\n".
template <typename... Pieces> void print(Pieces const&... pieces) { (print_one(pieces), ...); }

} // namespace lib
