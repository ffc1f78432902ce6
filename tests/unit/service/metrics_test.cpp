#include "service/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metrics_door.hpp"

namespace service {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(MetricsText, CountsWhatEnded) {
    Metrics metrics;
    for (int i = 0; i < 3; ++i)
        metrics.began();
    metrics.ended({{"outcome", "moved"}, {"blackout_ms", 42.0}, {"total_ms", 2'000.0}, {"bytes", 1'000}, {"rounds", 3}},
                  "source");
    metrics.ended({{"outcome", "failed"}, {"blackout_ms", nullptr}, {"total_ms", 100.0}}, "destination");
    metrics.refused_at_the_door();
    auto const text = metrics.text();
    EXPECT_THAT(text, HasSubstr("\ntern_migrations_total{outcome=\"moved\",role=\"source\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migrations_total{outcome=\"failed\",role=\"destination\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migrations_running 1\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migration_bytes_total 1000\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migration_rounds_total 3\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_connections_refused_total 1\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migration_downtime_seconds_bucket{le=\"0.025\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migration_downtime_seconds_bucket{le=\"0.05\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migration_downtime_seconds_bucket{le=\"+Inf\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migration_downtime_seconds_sum 0.042\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migration_downtime_seconds_count 1\n"));
    EXPECT_THAT(text, HasSubstr("\ntern_migration_duration_seconds_count 2\n"));
}

TEST(MetricsText, HasEachNameDescribedOnce) {
    auto const text = Metrics{}.text();
    for (auto const* const name :
         {"tern_migrations_total", "tern_migration_downtime_seconds", "tern_migration_duration_seconds"}) {
        auto const line = std::string{"# TYPE "} + name + " ";
        auto const first = text.find(line);
        EXPECT_NE(first, std::string::npos) << name;
        EXPECT_EQ(text.find(line, first + 1), std::string::npos) << name;
    }
}

TEST(MetricsDoor, AnswersOneQuestion) {
    auto const text = [] { return std::string{"a 1\n"}; };
    auto const answer = http_answer("GET /metrics HTTP/1.1\r\nHost: alpha\r\n\r\n", text);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 4\r\n"));
    EXPECT_TRUE(answer.ends_with("\r\n\r\na 1\n"));
    EXPECT_THAT(http_answer("GET / HTTP/1.1\r\n\r\n", text), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(http_answer("GET /metricsx HTTP/1.1\r\n\r\n", text), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(http_answer("POST /metrics HTTP/1.1\r\n\r\n", text), StartsWith("HTTP/1.1 405 "));
}

} // namespace
} // namespace service
