#include "boot/words.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace boot {

namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

constexpr bool blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// The value of a digit; 16 if it is none.
constexpr unsigned digit_value(char c) {
    if (c >= '0' && c <= '9')
        return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f')
        return static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return static_cast<unsigned>(c - 'A') + 10;
    return 16;
}

/// How far the unit at the end of a size shifts it; nothing if there is no unit.
constexpr std::optional<unsigned> unit_shift(char c) {
    switch (c) {
    case 'b':
    case 'B': return 0;
    case 'k':
    case 'K': return 10;
    case 'm':
    case 'M': return 20;
    case 'g':
    case 'G': return 30;
    case 't':
    case 'T': return 40;
    default: return std::nullopt;
    }
}

/// Takes everything up to @p stop off @p text.
std::string_view take_to(std::string_view& text, char const* stop) {
    std::string_view const taken{text.data(), static_cast<std::size_t>(stop - text.data())};
    text.remove_prefix(taken.size());
    return taken;
}

} // namespace

std::string_view text_of(base::Bytes bytes) {
    auto const nul = std::find(bytes.begin(), bytes.end(), std::byte{0});
    return {reinterpret_cast<char const*>(bytes.data()), static_cast<std::size_t>(nul - bytes.begin())};
}

std::string_view take_until(std::string_view& text, char separator) {
    auto const taken = take_to(text, std::find(text.begin(), text.end(), separator));
    if (!text.empty())
        text.remove_prefix(1);
    return taken;
}

std::string_view take_word(std::string_view& text) {
    take_to(text, std::find_if_not(text.begin(), text.end(), blank));
    return take_to(text, std::find_if(text.begin(), text.end(), blank));
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix))
        return false;
    text.remove_prefix(prefix.size());
    return true;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    bool const hexadecimal = take_prefix(text, "0x") || take_prefix(text, "0X");
    unsigned const radix = hexadecimal ? 16 : 10;
    if (text.empty())
        return std::nullopt;
    std::uint64_t value = 0;
    for (char const c : text) {
        auto const digit = digit_value(c);
        if (digit >= radix || value > (kMax - digit) / radix)
            return std::nullopt;
        value = value * radix + digit;
    }
    return value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    constexpr unsigned default_shift = 10;
    if (text.empty())
        return std::nullopt;
    // In a hexadecimal number a trailing B is a digit.
    bool const hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    auto const unit = hexadecimal && digit_value(text.back()) < 16 ? std::nullopt : unit_shift(text.back());
    if (unit)
        text.remove_suffix(1);
    auto const number = parse_number(text);
    auto const shift = unit.value_or(default_shift);
    if (!number || *number > (kMax >> shift))
        return std::nullopt;
    return *number << shift;
}

std::optional<bool> parse_boolean(std::string_view text) {
    static constexpr std::array<std::string_view, 5> kYes{"1", "yes", "on", "true", "enable"};
    static constexpr std::array<std::string_view, 5> kNo{"0", "no", "off", "false", "disable"};
    if (std::find(kYes.begin(), kYes.end(), text) != kYes.end())
        return true;
    if (std::find(kNo.begin(), kNo.end(), text) != kNo.end())
        return false;
    return std::nullopt;
}

} // namespace boot
