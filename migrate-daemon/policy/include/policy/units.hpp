/// What people write for times, sizes and rates. Nothing if it is not one.
#pragma once

#include <optional>
#include <string_view>

namespace policy {

/// "50ms", "2s", "1.5s", "2m", "1h".
std::optional<double> parse_seconds(std::string_view text);
/// "4096", "256KiB", "16MiB", "1GiB", "300kB", "10MB", "1GB".
std::optional<double> parse_octets(std::string_view text);
/// "100Mbit/s", "10Gbit/s", "64kbit/s", "30MB/s", "30MiB/s": in octets a second.
std::optional<double> parse_rate(std::string_view text);
/// "50": a whole number.
std::optional<unsigned> parse_count(std::string_view text);

} // namespace policy
