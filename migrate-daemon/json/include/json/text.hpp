/// JSON as text: the one place where it is parsed and written, so that the library's parser is compiled once.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace json_text {

/// Discarded, which is no object and has no fields, if @p text is no JSON.
nlohmann::json parse(std::string_view text);

/// One line, without its end, of ASCII. What is no UTF-8 is replaced.
std::string line(nlohmann::json const& value);

/// For people.
std::string pages(nlohmann::json const& value);

} // namespace json_text
