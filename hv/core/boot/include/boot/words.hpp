/// Small readers of text, for the options of command lines. Each answers nothing if the text is not wholly what it
/// should be; none of them allocates, throws or depends on a locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"

namespace boot {

/// The text in @p bytes up to its NUL, or to their end if it has none.
std::string_view text_of(base::Bytes bytes);

/// Takes the first word off @p text: up to @p separator, which is taken too and is not part of the word.
std::string_view take_until(std::string_view& text, char separator);

/// Takes the first word off @p text, words being separated by blanks. Empty at the end.
std::string_view take_word(std::string_view& text);

/// True if @p text begins with @p prefix, which is then taken off.
bool take_prefix(std::string_view& text, std::string_view prefix);

/// A number: decimal, or hexadecimal with 0x.
std::optional<std::uint64_t> parse_number(std::string_view text);

/// A number of bytes: B, K, M, G or T may follow the number; Xen counts in KiB if none does.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// yes/no, on/off, true/false, enable/disable, 1/0.
std::optional<bool> parse_boolean(std::string_view text);

} // namespace boot
