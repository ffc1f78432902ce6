#include "service/settings.hpp"

#include <gtest/gtest.h>

namespace service {
namespace {

std::string complaint(std::string_view toml) {
    auto const read = settings_from(toml, "migrated.toml");
    return read ? "none" : read.error().message;
}

TEST(Settings, AreAllOptional) {
    auto const read = settings_from("", "migrated.toml");
    ASSERT_TRUE(read);
    EXPECT_EQ(read.value().port, 7380);
    EXPECT_FALSE(read.value().insecure);
    EXPECT_GE(read.value().streams, 1);
    EXPECT_LE(read.value().streams, 4);
}

TEST(Settings, HaveAStreamForEachTwoCpus) {
    for (auto const& [cpus, streams] : {std::pair{0U, 1U}, {1U, 1U}, {2U, 1U}, {4U, 2U}, {8U, 4U}, {64U, 4U}})
        EXPECT_EQ(streams_for(cpus), streams) << cpus;
}

TEST(Settings, AreTakenFromTheFile) {
    auto const read = settings_from(R"(
        listen = "10.0.0.1"
        port = 1234
        keys = "/keys"
        insecure = true
        bandwidth = "100MiB"
        streams = 16
        most_at_once = 2
        journals = "/j"
        reports = "/r"
        history = "/h"
        socket = "/s"
        metrics_listen = ""
        metrics_port = 5678
    )",
                                    "migrated.toml");
    ASSERT_TRUE(read) << read.error().message;
    auto const& settings = read.value();
    EXPECT_EQ(settings.listen, "10.0.0.1");
    EXPECT_EQ(settings.port, 1234);
    EXPECT_EQ(settings.keys, "/keys");
    EXPECT_TRUE(settings.insecure);
    EXPECT_EQ(settings.bandwidth, 100U << 20);
    EXPECT_EQ(settings.streams, 16);
    EXPECT_EQ(settings.most_at_once, 2U);
    EXPECT_EQ(settings.journals, "/j");
    EXPECT_EQ(settings.reports, "/r");
    EXPECT_EQ(settings.history, "/h");
    EXPECT_EQ(settings.socket, "/s");
    EXPECT_EQ(settings.metrics_listen, "");
    EXPECT_EQ(settings.metrics_port, 5678);
}

TEST(Settings, ThatAreWrongAreRefusedWithTheirLine) {
    EXPECT_EQ(complaint("\nstreams = 17"), "migrated.toml, line 2: streams has to be a number from 1 to 16");
    EXPECT_EQ(complaint("port = \"7380\""), "migrated.toml, line 1: port has to be a number from 0 to 65535");
    EXPECT_EQ(complaint("insecure = 1"), "migrated.toml, line 1: insecure has to be true or false");
    EXPECT_EQ(complaint("keys = 1"), "migrated.toml, line 1: keys has to be a text");
    EXPECT_EQ(complaint("\n\nstream = 1"), "migrated.toml, line 3: stream is no setting");
    EXPECT_EQ(complaint("bandwidth = \"fast\""),
              "migrated.toml, line 1: bandwidth is no number of octets, such as \"100MiB\"");
    EXPECT_NE(complaint("port = = 1").find("migrated.toml, line 1: "), std::string::npos);
}

TEST(Settings, OfAFileThatIsNotThereAreTheDefaultsUnlessItWasNamed) {
    EXPECT_TRUE(read_settings("/nowhere/migrated.toml", false));
    EXPECT_FALSE(read_settings("/nowhere/migrated.toml", true));
}

TEST(Octets, HaveUnits) {
    EXPECT_EQ(octets_from("1000000"), 1'000'000U);
    EXPECT_EQ(octets_from("1.5G"), 1'500'000'000U);
    EXPECT_EQ(octets_from("10kB"), 10'000U);
    EXPECT_EQ(octets_from("2MiB"), 2U << 20);
    EXPECT_EQ(octets_from("0"), 0U);
    for (auto const* const wrong : {"", "fast", "-1", "1X", "1iB", "1MiBs", "1e30", "nan", "M"})
        EXPECT_FALSE(octets_from(wrong)) << wrong;
}

} // namespace
} // namespace service
