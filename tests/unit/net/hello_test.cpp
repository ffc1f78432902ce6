#include "net/hello.hpp"

#include <gtest/gtest.h>

namespace net {
namespace {

Hello some_hello() {
    return {.purpose = Purpose::data,
            .secure = false,
            .index = 3,
            .streams = 4,
            .id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
}

HelloOctets with(std::size_t at, int value) {
    auto octets = octets_of(some_hello());
    octets[at] = static_cast<std::byte>(value);
    return octets;
}

TEST(Hello, IsReadAsItWasWritten) {
    EXPECT_EQ(hello_from(octets_of(some_hello())), some_hello());
    EXPECT_EQ(hello_from(octets_of(Hello{})), Hello{});
}

TEST(Hello, HasTheOctetsThatTheDocumentGivesIt) {
    auto const octets = octets_of(some_hello());
    static constexpr std::array<int, 32> kExpected = {0x93, 'T', 'E', 'R', 'N', '>', '\r', '\n', 1,  0, 1,
                                                      0,    1,   0,   3,   4,   1,   2,    3,    4,  5, 6,
                                                      7,    8,   9,   10,  11,  12,  13,   14,   15, 16};
    for (std::size_t i = 0; i < octets.size(); ++i)
        EXPECT_EQ(std::to_integer<int>(octets[i]), i < kExpected.size() ? kExpected[i] : 0) << "octet " << i;
}

TEST(Hello, IsNoneWhenCutShort) {
    auto const octets = octets_of(some_hello());
    for (std::size_t size = 0; size < octets.size(); ++size)
        EXPECT_FALSE(hello_from(base::Bytes{octets}.first(size)));
}

TEST(Hello, IsNoneWithAnotherMagic) {
    for (std::size_t at = 0; at < 8; ++at)
        EXPECT_FALSE(hello_from(with(at, 0)));
}

TEST(Hello, IsNoneWhenAFieldSaysWhatItCannot) {
    EXPECT_FALSE(hello_from(with(10, 0))); // oldest version
    EXPECT_FALSE(hello_from(with(8, 0)));  // newest older than oldest
    EXPECT_FALSE(hello_from(with(12, 4))); // purpose
    EXPECT_FALSE(hello_from(with(13, 2))); // flags
    EXPECT_FALSE(hello_from(with(14, 4))); // index behind the last stream
    EXPECT_FALSE(hello_from(with(15, 0))); // streams
    EXPECT_FALSE(hello_from(with(15, 17)));
    EXPECT_FALSE(hello_from(with(12, 0))); // a control connection with an index
    EXPECT_FALSE(hello_from(with(63, 1))); // reserved
}

TEST(Hello, OfALaterVersionMayHaveAnythingElseInIt) {
    auto octets = with(10, 9);
    octets[8] = static_cast<std::byte>(11);
    octets[12] = octets[40] = static_cast<std::byte>(77);
    auto const hello = hello_from(octets);
    ASSERT_TRUE(hello);
    EXPECT_EQ(judge(hello, {}, "beta").text, "beta speaks version 1 of the migration protocol, not 9 to 11");
}

TEST(Answer, IsReadAsItWasWritten) {
    for (auto const& answer : {Answer{1, Verdict::welcome, {}}, Answer{0, Verdict::busy, "too many at once"}}) {
        auto const octets = octets_of(answer);
        auto const head = answer_from(std::as_bytes(std::span{octets}));
        ASSERT_TRUE(head);
        EXPECT_EQ(head->answer.version, answer.version);
        EXPECT_EQ(head->answer.verdict, answer.verdict);
        EXPECT_EQ(octets.substr(kAnswerSize), answer.text);
        EXPECT_EQ(head->text, answer.text.size());
    }
}

TEST(Answer, IsNoneWhenItsTextIsTooLong) {
    auto octets = octets_of(Answer{1, Verdict::busy, std::string(kMostText, 'x')});
    EXPECT_TRUE(answer_from(std::as_bytes(std::span{octets})));
    octets[12] = static_cast<char>(octets[12] + 1);
    EXPECT_FALSE(answer_from(std::as_bytes(std::span{octets})));
}

TEST(Answer, WithAVerdictThatIsNotKnownIsARefusal) {
    auto octets = octets_of(Answer{1, Verdict::welcome, {}});
    octets[10] = 99;
    EXPECT_NE(answer_from(std::as_bytes(std::span{octets}))->answer.verdict, Verdict::welcome);
}

TEST(Judging, WelcomesWhatFits) {
    EXPECT_EQ(judge(Hello{}, {.tls = true}, "beta"), (Answer{kVersion, Verdict::welcome, {}}));
    EXPECT_EQ(judge(Hello{.secure = false}, {.tls = true, .insecure = true}, "beta").verdict, Verdict::welcome);
    EXPECT_EQ(judge(Hello{.purpose = Purpose::certificate}, {.tls = false}, "beta").verdict, Verdict::welcome);
}

TEST(Judging, TakesTheNewestVersionThatBothSpeak) {
    EXPECT_EQ(judge(Hello{.newest = 7, .oldest = 1}, {}, "beta").version, kVersion);
}

TEST(Judging, RefusesInOneSentence) {
    EXPECT_EQ(judge(std::nullopt, {}, "beta").text, "what connected to beta does not speak the migration protocol");
    EXPECT_EQ(judge(Hello{.newest = 4, .oldest = 2}, {}, "beta").text,
              "beta speaks version 1 of the migration protocol, not 2 to 4");
    EXPECT_EQ(judge(Hello{.secure = false}, {}, "beta").text, "beta wants TLS, and the connection came without it");
    EXPECT_EQ(judge(Hello{}, {.tls = false, .insecure = true}, "beta").text,
              "beta has no key, and the connection wants TLS");
}

TEST(Ids, AreThirtyTwoDigits) {
    auto const id = random_id();
    EXPECT_EQ(text_of(id).size(), 32U);
    EXPECT_EQ(id_from(text_of(id)), id);
    EXPECT_NE(random_id(), id);
    EXPECT_FALSE(id_from("12"));
    EXPECT_FALSE(id_from(std::string(32, 'G')));
    EXPECT_EQ(text_of(some_hello().id), "0102030405060708090a0b0c0d0e0f10");
}

TEST(ForeignText, IsShownWithoutWhatMovesACursor) { EXPECT_EQ(printable("a\x1b[2J\nb\xc3"), "a?[2J?b?"); }

} // namespace
} // namespace net
