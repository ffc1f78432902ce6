#include "service/metrics.hpp"

#include <cstdio>

#include "service/results.hpp"

namespace service {
namespace {

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", value);
    return text;
}

void head(std::string& out, std::string_view name, std::string_view kind, std::string_view help) {
    out.append("# HELP ")
        .append(name)
        .append(" ")
        .append(help)
        .append("\n# TYPE ")
        .append(name)
        .append(" ")
        .append(kind)
        .append("\n");
}

void single(std::string& out, std::string_view name, std::string_view kind, std::string_view help,
            std::uint64_t value) {
    head(out, name, kind, help);
    out.append(name).append(" ").append(std::to_string(value)).append("\n");
}

/// A number of the result; what was not measured is null there.
double field(nlohmann::json const& result, char const* name) {
    auto const found = result.find(name);
    return found != result.end() && found->is_number() ? found->get<double>() : -1;
}

} // namespace

void Histogram::add(double seconds) {
    std::size_t at = 0;
    while (at < kBounds.size() && seconds > kBounds[at])
        ++at;
    ++counts_[at];
    sum_ += seconds;
}

void Histogram::write(std::string& out, std::string_view name, std::string_view help) const {
    head(out, name, "histogram", help);
    std::uint64_t up_to = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        up_to += counts_[i];
        auto const bound = i < kBounds.size() ? number(kBounds[i]) : "+Inf";
        out.append(name)
            .append("_bucket{le=\"")
            .append(bound)
            .append("\"} ")
            .append(std::to_string(up_to))
            .append("\n");
    }
    out.append(name).append("_sum ").append(number(sum_)).append("\n");
    out.append(name).append("_count ").append(std::to_string(up_to)).append("\n");
}

void Metrics::ended(nlohmann::json const& result, std::string_view role) {
    --running_;
    ++outcomes_[{text_in(result, "outcome"), std::string{role}}];
    if (auto const blackout = field(result, "blackout_ms"); blackout >= 0 && role == "source")
        downtime_.add(blackout / 1e3);
    if (auto const total = field(result, "total_ms"); total >= 0)
        duration_.add(total / 1e3);
    if (auto const bytes = field(result, "bytes"); bytes > 0)
        bytes_ += static_cast<std::uint64_t>(bytes);
    if (auto const rounds = field(result, "rounds"); rounds > 0)
        rounds_ += static_cast<std::uint64_t>(rounds);
}

std::string Metrics::text() const {
    std::string out;
    head(out, "tern_migrations_total", "counter", "Migrations that have ended, by outcome and by what this host was.");
    for (auto const& [what, count] : outcomes_)
        out += "tern_migrations_total{outcome=\"" + what.first + "\",role=\"" + what.second + "\"} " +
               std::to_string(count) + "\n";
    single(out, "tern_migrations_running", "gauge", "Migrations under way.", running_);
    single(out, "tern_connections_refused_total", "counter", "Connections refused by their first octets.", refused_);
    single(out, "tern_migration_bytes_total", "counter", "Octets sent and received by migrations that have ended.",
           bytes_);
    single(out, "tern_migration_rounds_total", "counter", "Rounds of migrations that have ended.", rounds_);
    downtime_.write(out, "tern_migration_downtime_seconds", "How long domains that left this host stood still.");
    duration_.write(out, "tern_migration_duration_seconds", "How long migrations took.");
    return out;
}

} // namespace service
