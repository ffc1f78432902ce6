#include "json/text.hpp"

namespace json_text {

using nlohmann::json;

json parse(std::string_view text) { return json::parse(text, nullptr, false); }

std::string line(json const& value) { return value.dump(-1, ' ', true, json::error_handler_t::replace); }

std::string pages(json const& value) { return value.dump(2, ' ', false, json::error_handler_t::replace); }

} // namespace json_text
