#include "boot/dom0_options.hpp"

#include <gtest/gtest.h>

namespace {

using boot::parse_dom0_memory;
using boot::parse_dom0_vcpus;

constexpr std::uint64_t kMiB = 256; ///< frames

std::uint64_t initial(std::string_view text, std::uint64_t available) {
    auto const memory = parse_dom0_memory(text);
    return memory ? memory->frames_of(available).initial : ~std::uint64_t{0};
}

TEST(Dom0Memory, IsASizeAPercentageOrAllBut) {
    EXPECT_EQ(initial("512M", 4096 * kMiB), 512 * kMiB);
    EXPECT_EQ(initial("524288", 4096 * kMiB), 512 * kMiB);
    EXPECT_EQ(initial("-1G", 4096 * kMiB), 3072 * kMiB);
    EXPECT_EQ(initial("25%", 4096 * kMiB), 1024 * kMiB);
    EXPECT_EQ(initial("1G+10%", 4000 * kMiB), 1424 * kMiB);
    EXPECT_EQ(initial("-10%", 1000 * kMiB), 900 * kMiB);
}

TEST(Dom0Memory, NeverExceedsWhatThereIs) {
    EXPECT_EQ(initial("8G", 4096 * kMiB), 4096 * kMiB);
    EXPECT_EQ(initial("-8G", 4096 * kMiB), 0U);
    EXPECT_EQ(initial("min:8G", 4096 * kMiB), 4096 * kMiB);
    EXPECT_EQ(initial("100%", ~std::uint64_t{0} >> 12), ~std::uint64_t{0} >> 12);
}

TEST(Dom0Memory, StaysWithinItsLimits) {
    EXPECT_EQ(initial("512M,min:1G", 4096 * kMiB), 1024 * kMiB);
    EXPECT_EQ(initial("2G,max:1G", 4096 * kMiB), 1024 * kMiB);
    EXPECT_EQ(initial("max:1G", 4096 * kMiB), 1024 * kMiB);
    EXPECT_EQ(initial("min:2G,max:1G,512M", 4096 * kMiB), 2048 * kMiB); // the minimum counts
}

TEST(Dom0Memory, MayGrowToItsMaximumAndNoFurther) {
    auto const grows = parse_dom0_memory("512M,max:1G")->frames_of(4096 * kMiB);
    EXPECT_EQ(grows.initial, 512 * kMiB);
    EXPECT_EQ(grows.maximum, 1024 * kMiB);
    auto const fixed = parse_dom0_memory("512M")->frames_of(4096 * kMiB);
    EXPECT_EQ(fixed.maximum, fixed.initial);
}

TEST(Dom0Memory, LeavesALittleIfNothingIsSaid) {
    boot::Dom0Memory const nothing;
    EXPECT_EQ(nothing.frames_of(4096 * kMiB).initial, (4096 - 128) * kMiB);
    EXPECT_EQ(nothing.frames_of(160 * kMiB).initial, 150 * kMiB);
    EXPECT_EQ(nothing.frames_of(0).initial, 0U);
}

TEST(Dom0Memory, RefusesWhatMakesNoSense) {
    for (std::string_view const bad : {"", "lots", "512M,", "min:", "max:x", "101%", "%", "+5%", "x+5%", "5%5", ",1G"})
        EXPECT_EQ(parse_dom0_memory(bad).has_value(), bad == "512M,") << bad;
}

TEST(Dom0Vcpus, AreANumberOrARange) {
    EXPECT_EQ(parse_dom0_vcpus("2")->count_of(8), 2U);
    EXPECT_EQ(parse_dom0_vcpus("4")->count_of(1), 4U);
    EXPECT_EQ(parse_dom0_vcpus("2-4")->count_of(8), 4U);
    EXPECT_EQ(parse_dom0_vcpus("2-4")->count_of(3), 3U);
    EXPECT_EQ(parse_dom0_vcpus("2-4")->count_of(1), 2U);
    EXPECT_EQ(parse_dom0_vcpus("2-")->count_of(8), 8U);
    EXPECT_EQ(parse_dom0_vcpus("-4")->count_of(8), 4U);
    EXPECT_EQ(boot::Dom0Vcpus{}.count_of(8), 8U);
}

TEST(Dom0Vcpus, RefusesWhatMakesNoSense) {
    for (std::string_view const bad : {"", "0", "-", "4-2", "x", "1-x", "0-4", "4294967296", "1-2-3"})
        EXPECT_FALSE(parse_dom0_vcpus(bad)) << bad;
}

} // namespace
