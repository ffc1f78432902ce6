#include "console/format.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace {

struct String {
    void put(std::string_view piece) { text += piece; }
    std::string text;
};

template <typename... Args> std::string formatted(console::Format<Args...> form, Args const&... args) {
    String out;
    console::format(out, form, args...);
    return out.text;
}

TEST(Format, CopiesWhatIsNoField) {
    EXPECT_EQ(formatted(""), "");
    EXPECT_EQ(formatted("plain"), "plain");
    EXPECT_EQ(formatted("{{}} {{{}}}", 5), "{} {5}");
}

TEST(Format, WritesNumbersOfEverySizeAndSign) {
    EXPECT_EQ(formatted("{} {} {}", 0, -1, 42u), "0 -1 42");
    EXPECT_EQ(formatted("{}", std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
    EXPECT_EQ(formatted("{}", std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
    EXPECT_EQ(formatted("{} {}", std::numeric_limits<std::int8_t>::min(), std::uint8_t{255}), "-128 255");
}

TEST(Format, WritesHexadecimal) {
    EXPECT_EQ(formatted("{:x} {:#x}", 255, 255), "ff 0xff");
    EXPECT_EQ(formatted("{:x}", ~std::uint64_t{0}), "ffffffffffffffff");
    EXPECT_EQ(formatted("{:#x}", -16), "-0x10");
}

TEST(Format, PadsNumbersOnTheLeftAndTextOnTheRight) {
    EXPECT_EQ(formatted("[{:5}] [{:05}] [{:5}]", 42, 42, "ab"), "[   42] [00042] [ab   ]");
    EXPECT_EQ(formatted("[{:4}] [{:04}]", -1, -1), "[  -1] [-001]");
    EXPECT_EQ(formatted("{:016x} {:#018x}", 0x1234, 0x1234), "0000000000001234 0x0000000000001234");
    EXPECT_EQ(formatted("[{:2}] [{:2}]", 12345, "abc"), "[12345] [abc]"); // never cut
}

TEST(Format, WritesTextCharactersAndTruth) {
    std::string_view const view = "view";
    char const* const pointer = "pointer";
    EXPECT_EQ(formatted("{} {} {} {}{}", "array", view, pointer, 'x', true), "array view pointer xyes");
    EXPECT_EQ(formatted("{}", false), "no");
}

TEST(Format, FramesAddressesAndIdsSayWhatTheyAre) {
    EXPECT_EQ(formatted("{} {} {}", base::Mfn{0x1a2b}, base::Gfn{0xc}, base::Pfn{0}), "M1a2b Gc P0");
    EXPECT_EQ(formatted("{} {} {}", base::Maddr{0x1000}, base::Gaddr{0x2000}, base::Vaddr{0xffff'8000'0000'0000}),
              "m1000 g2000 Vffff800000000000");
    EXPECT_EQ(formatted("{}{} {} {} {} {}", base::DomId{1}, base::VcpuId{0}, base::CpuId{12}, base::Port{17},
                        base::GrantRef{8}, base::GrantHandle{4}),
              "d1v0 c12 p17 r8 h4");
    EXPECT_EQ(formatted("{} {}", base::Mfn{}, base::Gfn{}), "M- G-");
    EXPECT_EQ(formatted("[{:6}] [{:06}]", base::Mfn{0xab}, base::Mfn{0xab}), "[   Mab] [M000ab]");
}

TEST(Format, ErrorsHaveNames) {
    EXPECT_EQ(formatted("{}", base::Error::bad_address), "bad address");
    for (int error = 0; error <= static_cast<int>(base::Error::preempted); ++error)
        EXPECT_NE(console::name_of(static_cast<base::Error>(error)), "?");
}

TEST(Format, PointersAreVirtualAddresses) {
    int value = 0;
    EXPECT_EQ(formatted("{}", &value), formatted("{}", base::Vaddr{reinterpret_cast<std::uintptr_t>(&value)}));
}

// What the compiler refuses, asked of the function that it asks.
constexpr bool parses(std::string_view field) {
    console::Field parsed;
    return console::detail::parse_field(field, 0, parsed) == field.size();
}
static_assert(parses("}") && parses(":}") && parses(":x}") && parses(":#018x}") && parses(":99}"));
static_assert(!parses("") && !parses(":") && !parses(":y}") && !parses(":100}") && !parses(":x#}") && !parses(" }"));

TEST(Text, KeepsWhatFitsAndSaysThatTheRestWasCut) {
    console::Text<5> text;
    text.put("abc");
    EXPECT_FALSE(text.cut());
    text.put("def");
    EXPECT_EQ(text.view(), "abcde");
    EXPECT_TRUE(text.full());
    EXPECT_TRUE(text.cut());
    text.clear();
    EXPECT_TRUE(text.empty());
    EXPECT_FALSE(text.cut());
}

} // namespace
