#include "policy/units.hpp"

#include <charconv>
#include <initializer_list>
#include <system_error>
#include <utility>

namespace policy {
namespace {

using Units = std::initializer_list<std::pair<std::string_view, double>>;

/// A number that is not negative, directly followed by one of the units.
std::optional<double> parse(std::string_view text, Units units) {
    double value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{} || !(value >= 0) || value > 1e18)
        return std::nullopt;
    auto const unit = text.substr(static_cast<std::size_t>(end - text.data()));
    for (auto const& [name, factor] : units)
        if (unit == name)
            return value * factor;
    return std::nullopt;
}

constexpr double kKi = 1024;

} // namespace

std::optional<double> parse_seconds(std::string_view text) {
    return parse(text, {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}});
}

std::optional<double> parse_octets(std::string_view text) {
    return parse(text, {{"", 1},
                        {"B", 1},
                        {"kB", 1e3},
                        {"MB", 1e6},
                        {"GB", 1e9},
                        {"KiB", kKi},
                        {"MiB", kKi * kKi},
                        {"GiB", kKi * kKi * kKi}});
}

std::optional<double> parse_rate(std::string_view text) {
    if (text.size() < 2 || text.substr(text.size() - 2) != "/s")
        return std::nullopt;
    text.remove_suffix(2);
    if (auto const bits = parse(text, {{"bit", 1}, {"kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}}))
        return *bits / 8;
    return text.empty() || text.back() != 'B' ? std::nullopt : parse_octets(text);
}

std::optional<unsigned> parse_count(std::string_view text) {
    unsigned value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

} // namespace policy
