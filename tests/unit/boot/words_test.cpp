#include "boot/words.hpp"

#include <gtest/gtest.h>

namespace {

using namespace boot;

TEST(Words, AreTakenOneByOneWhateverTheBlanks) {
    std::string_view text = "  one\ttwo \n three ";
    EXPECT_EQ(take_word(text), "one");
    EXPECT_EQ(take_word(text), "two");
    EXPECT_EQ(take_word(text), "three");
    EXPECT_EQ(take_word(text), "");
    EXPECT_EQ(take_word(text), "");
}

TEST(Words, AreTakenUpToASeparator) {
    std::string_view text = "a,,b,";
    EXPECT_EQ(take_until(text, ','), "a");
    EXPECT_EQ(take_until(text, ','), "");
    EXPECT_EQ(take_until(text, ','), "b");
    EXPECT_TRUE(text.empty());
    EXPECT_EQ(take_until(text, ','), "");
}

TEST(Words, TextEndsAtItsNulOrWithTheBytes) {
    constexpr std::array kBytes{std::byte{'h'}, std::byte{'i'}, std::byte{0}, std::byte{'x'}};
    EXPECT_EQ(text_of(kBytes), "hi");
    EXPECT_EQ(text_of(base::Bytes{kBytes}.first(2)), "hi");
    EXPECT_EQ(text_of({}), "");
}

TEST(Words, NumbersAreDecimalOrHexadecimal) {
    EXPECT_EQ(parse_number("0"), 0U);
    EXPECT_EQ(parse_number("115200"), 115200U);
    EXPECT_EQ(parse_number("0x3F8"), 0x3f8U);
    EXPECT_EQ(parse_number("18446744073709551615"), ~std::uint64_t{0});
    EXPECT_EQ(parse_number("0xffffffffffffffff"), ~std::uint64_t{0});
}

TEST(Words, NumbersAreNothingElse) {
    for (std::string_view const bad : {"", "-1", "+1", "1 ", "1f", "0x", "0xg", "x", "18446744073709551616",
                                       "0x10000000000000000", "99999999999999999999"})
        EXPECT_FALSE(parse_number(bad)) << bad;
}

TEST(Words, SizesHaveUnitsAndCountInKibibytesWithout) {
    EXPECT_EQ(parse_size("1"), 1024U);
    EXPECT_EQ(parse_size("7B"), 7U);
    EXPECT_EQ(parse_size("4k"), 4096U);
    EXPECT_EQ(parse_size("512M"), std::uint64_t{512} << 20);
    EXPECT_EQ(parse_size("2g"), std::uint64_t{2} << 30);
    EXPECT_EQ(parse_size("1T"), std::uint64_t{1} << 40);
    EXPECT_EQ(parse_size("0x1000M"), std::uint64_t{4096} << 20);
    EXPECT_EQ(parse_size("0x1b"), 0x1bU << 10); // a digit, not a unit
}

TEST(Words, SizesThatDoNotFitAreNone) {
    for (std::string_view const bad : {"", "M", "5P", "1MM", "16777216T", "18446744073709551615"})
        EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Words, BooleansHaveFiveSpellingsEach) {
    for (std::string_view const yes : {"1", "yes", "on", "true", "enable"})
        EXPECT_EQ(parse_boolean(yes), true) << yes;
    for (std::string_view const no : {"0", "no", "off", "false", "disable"})
        EXPECT_EQ(parse_boolean(no), false) << no;
    for (std::string_view const bad : {"", "2", "y", "maybe", "ON"})
        EXPECT_FALSE(parse_boolean(bad)) << bad;
}

} // namespace
