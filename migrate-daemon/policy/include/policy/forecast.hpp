/// What a policy would do with a guest that is a formula: W pages that it writes to, at random and at a rate, beside a link. Nothing is
/// sent; the policy is asked as it is asked by a migration.
///
///     auto const foreseen = forecast(*policy, {.frames = 65536, .working_set = 16384, .writes = 1000, .bandwidth = 100e6});
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"

namespace policy {

struct Writer {
    double working_set = 0; ///< pages
    double writes = 0;      ///< pages a second, any of them again and again
};

struct World {
    double frames = 65536;
    Writer guest{};
    double bandwidth = 100e6; ///< octets a second
    double ratio = 1;         ///< octets of pages for each octet sent
    double fixed = 0.005;     ///< seconds of a blackout without any page
};

struct Forecast {
    Decision::What what = Decision::What::next_round; ///< next_round: it would never have come to an end
    std::string_view reason;
    std::uint32_t rounds = 0;  ///< before the guest is stopped
    double blackout = 0;       ///< seconds
    double seconds = 0;        ///< of the rounds
    double throttle = 0;       ///< the most that was asked for
    std::vector<double> rates; ///< that were asked for, one a round
};

/// Asks @p policy, which must be new, until it stops; for 1000 rounds at most.
[[nodiscard]] Forecast forecast(Policy& policy, World const& world);

/// Distinct pages that @p guest writes to in @p seconds.
[[nodiscard]] double written_in(Writer const& guest, double seconds);

/// The guest that wrote to @p few distinct pages in @p moment, and to @p many in a @p longer. It has @p frames.
[[nodiscard]] Writer writer_of(double few, double moment, double many, double longer, double frames);

} // namespace policy
