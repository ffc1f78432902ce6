/// What came of a migration, as one object: what `migrate --format json` prints, the history keeps, and the metrics count.
///
///     {"schema": 1, "id": "…", "vm": "web", "source": "alpha", "destination": "beta", "outcome": "moved", "total_ms": …, …}
///     {"schema": 1, "id": "…", …, "outcome": "cancelled", "code": 6, "message": "…", "hint": "…", "total_ms": …}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "outcome/failure.hpp"

namespace service {

inline constexpr int kSchema = 1;

/// "failed", "refused" (it was not begun), "unreachable", "timed_out", "cancelled", "attention".
std::string_view outcome_of(outcome::Kind kind);
/// Adds how it failed to what is known of it.
nlohmann::json failed_result(nlohmann::json known, outcome::Failure const& failure);
/// A field, if it is there and is a text, or a number; what came from another program may be anything.
std::string text_in(nlohmann::json const& object, char const* field);
std::optional<std::int64_t> number_in(nlohmann::json const& object, char const* field);

/// The exit status of a program that prints it.
int code_of(nlohmann::json const& result);

} // namespace service
