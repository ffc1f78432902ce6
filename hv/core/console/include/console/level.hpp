/// How much a message matters, and which are shown (loglvl=, guest_loglvl=).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace console {

enum class Level : std::uint8_t { error, warning, info, debug };

/// A threshold: how many of the levels, from the gravest on.
enum class UpTo : std::uint8_t { none, error, warning, info, debug };

constexpr bool within(Level level, UpTo most) { return static_cast<unsigned>(level) < static_cast<unsigned>(most); }

/// Messages up to `always` are shown, those up to `limited` at a limited rate, others not.
struct Thresholds {
    UpTo always = UpTo::warning;
    UpTo limited = UpTo::warning;
    constexpr bool operator==(Thresholds const&) const = default;
};
inline constexpr Thresholds kHostThresholds{UpTo::info, UpTo::info};
inline constexpr Thresholds kGuestThresholds{UpTo::none, UpTo::warning};

/// Reads the value of loglvl= or guest_loglvl=: "<always>[/<limited>]", each none, error, warning, info, debug or all.
/// With one word, nothing is limited. Nothing if it is not such a value.
[[nodiscard]] std::optional<Thresholds> parse_thresholds(std::string_view value);

} // namespace console
