/// What Prometheus asks for, since this daemon started. docs/man/migrated.8 lists the names.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

namespace service {

/// How often a value was at most each of these.
class Histogram {
  public:
    static constexpr std::array kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,  0.25,
                                           0.5,   1.0,    2.5,   5.0,  10.0,  30.0, 60.0, 300.0};

    void add(double seconds);
    void write(std::string& out, std::string_view name, std::string_view help) const;

  private:
    std::array<std::uint64_t, kBounds.size() + 1> counts_{};
    double sum_ = 0;
};

class Metrics {
  public:
    void began() { ++running_; }
    /// With its result (`migrate --format json`), and which side this host was.
    void ended(nlohmann::json const& result, std::string_view role);
    void refused_at_the_door() { ++refused_; }

    /// Prometheus' text format, version 0.0.4.
    [[nodiscard]] std::string text() const;

  private:
    std::map<std::pair<std::string, std::string>, std::uint64_t> outcomes_; ///< by outcome and role
    std::uint64_t running_ = 0, refused_ = 0, bytes_ = 0, rounds_ = 0;
    Histogram downtime_, duration_;
};

} // namespace service
