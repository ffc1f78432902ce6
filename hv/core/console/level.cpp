#include "console/level.hpp"

#include "console/text.hpp"

namespace console {

namespace {

std::optional<UpTo> parse_level(std::string_view word) {
    if (word == "none")
        return UpTo::none;
    if (word == "error")
        return UpTo::error;
    if (word == "warning")
        return UpTo::warning;
    if (word == "info")
        return UpTo::info;
    if (word == "debug" || word == "all")
        return UpTo::debug;
    return std::nullopt;
}

} // namespace

std::optional<Thresholds> parse_thresholds(std::string_view value) {
    auto const slash = find(value, '/');
    auto const always = parse_level(part(value, 0, slash));
    auto const limited = slash == value.size() ? always : parse_level(part(value, slash + 1, value.size()));
    if (!always || !limited)
        return std::nullopt;
    return Thresholds{*always, *limited};
}

} // namespace console
