#include "policy/units.hpp"

#include <gtest/gtest.h>

namespace {

using namespace policy;

TEST(Units, AreReadAsPeopleWriteThem) {
    EXPECT_DOUBLE_EQ(parse_seconds("50ms").value(), 0.05);
    EXPECT_DOUBLE_EQ(parse_seconds("1.5s").value(), 1.5);
    EXPECT_DOUBLE_EQ(parse_seconds("2m").value(), 120);
    EXPECT_DOUBLE_EQ(parse_octets("4096").value(), 4096);
    EXPECT_DOUBLE_EQ(parse_octets("256KiB").value(), 256 * 1024);
    EXPECT_DOUBLE_EQ(parse_octets("3GB").value(), 3e9);
    EXPECT_DOUBLE_EQ(parse_rate("100Mbit/s").value(), 12.5e6);
    EXPECT_DOUBLE_EQ(parse_rate("30MiB/s").value(), 30 * 1024 * 1024);
    EXPECT_EQ(parse_count("50"), 50U);
}

TEST(Units, AreNothingElse) {
    for (auto const* text : {"", "ms", "-1s", "1", "1 s", "1sec", "nan", "inf", "1e3s", "1e400s", "0x10s"})
        EXPECT_FALSE(parse_seconds(text)) << text;
    for (auto const* text : {"", "KiB", "1K", "1kib", "-4096"})
        EXPECT_FALSE(parse_octets(text)) << text;
    for (auto const* text : {"", "/s", "100", "100/s", "100Mbit", "100Mbits/s", "1KiBB/s"})
        EXPECT_FALSE(parse_rate(text)) << text;
    for (auto const* text : {"", "-1", "1.5", "5x", "99999999999"})
        EXPECT_FALSE(parse_count(text)) << text;
}

} // namespace
