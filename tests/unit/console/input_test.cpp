#include "console/input.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "console/input_ring.hpp"

namespace {

using console::Input;
using console::InputRing;
using console::Key;
using Kind = Input::Action::Kind;

/// What comes of typing @p text, one letter an action: characters for dom0, K for keys, ? for unknown ones, > and <
/// for switches to the hypervisor and back.
std::string typed(Input& input, std::string_view text) {
    std::string out;
    for (char const c : text) {
        for (auto const& action : input.type(c)) {
            switch (action.kind) {
            case Kind::to_dom0: out += action.character; break;
            case Kind::key: out += 'K'; break;
            case Kind::unknown_key: out += '?'; break;
            case Kind::switched: out += action.target == Input::Target::hypervisor ? '>' : '<'; break;
            }
        }
    }
    return out;
}

TEST(Input, GoesToDom0AtFirst) {
    Input input;
    EXPECT_EQ(typed(input, "ls\r\x03h"), "ls\r\x03h");
}

TEST(Input, ThreeEscapesSwitchToTheHypervisorAndBack) {
    Input input;
    EXPECT_EQ(typed(input, "a\1\1\1h\1\1\1b"), "a>K<b");
    EXPECT_EQ(input.target(), Input::Target::dom0);
}

TEST(Input, FewerEscapesAreTypedAfterAll) {
    Input input;
    EXPECT_EQ(typed(input, "\1\1"), "");
    EXPECT_EQ(typed(input, "x"), "\1\1x");
    EXPECT_EQ(typed(input, "\1y"), "\1y");
}

TEST(Input, EscapesCountOnlyInARow) {
    Input input;
    EXPECT_EQ(typed(input, "\1\1x\1y"), "\1\1x\1y");
    EXPECT_EQ(typed(input, "\1\1\1"), ">");
}

TEST(Input, SixEscapesSwitchTwice) {
    Input input;
    EXPECT_EQ(typed(input, "\1\1\1\1\1\1"), "><");
}

TEST(Input, KeysOfTheHypervisorAreKnownAndOthersReported) {
    Input input;
    EXPECT_EQ(typed(input, "\1\1\1hdqtRz"), ">KKKKK?");
    EXPECT_EQ(input.type('R')[0].key, Key::reboot);
    EXPECT_EQ(input.type('r')[0].kind, Kind::unknown_key);
}

TEST(Keys, EachHasACharacterOfItsOwnAndAnExplanation) {
    std::set<char> characters;
    for (auto const& one : console::keys()) {
        EXPECT_TRUE(characters.insert(one.character).second);
        EXPECT_EQ(console::key_for(one.character), one.key);
        EXPECT_FALSE(one.does.empty());
    }
    EXPECT_EQ(console::key_for('\n'), std::nullopt);
}

TEST(InputRing, GivesBackWhatWasTypedInOrder) {
    InputRing ring;
    for (char const c : std::string_view{"hello"})
        EXPECT_TRUE(ring.push(c));
    std::string out(3, ' ');
    EXPECT_EQ(ring.read(out), 3u);
    EXPECT_EQ(out, "hel");
    EXPECT_EQ(ring.read(out), 2u);
    EXPECT_EQ(out.substr(0, 2), "lo");
    EXPECT_EQ(ring.read(out), 0u);
}

TEST(InputRing, SaysWhenItIsFullAndGoesOnOnceItIsRead) {
    InputRing ring;
    for (std::size_t round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < InputRing::kSize; ++i)
            ASSERT_TRUE(ring.push(static_cast<char>(i)));
        EXPECT_FALSE(ring.push('x'));
        std::string out(2 * InputRing::kSize, ' ');
        ASSERT_EQ(ring.read(out), InputRing::kSize);
        EXPECT_EQ(out[InputRing::kSize - 1], static_cast<char>(InputRing::kSize - 1));
    }
}

} // namespace
