#include "unit/proto/messages.hpp"

#include <set>

#include <gtest/gtest.h>

namespace {

using namespace migrate;
using Octets = std::vector<std::byte>;

Octets octets_of(Message const& message) {
    Octets out;
    EXPECT_TRUE(proto::write(message, out));
    return out;
}

TEST(Control, ReadsEachMessageAsItWasWrittenInPiecesOfAnySize) {
    Octets all;
    for (auto const& message : test::all_messages())
        ASSERT_TRUE(proto::write(message, all));
    for (std::size_t const piece : {1U, 3U, 50U, 10'000U}) {
        proto::Reader reader;
        std::vector<Message> read;
        for (std::size_t at = 0; at < all.size(); at += piece) {
            reader.feed(base::Bytes{all}.subspan(at, std::min(piece, all.size() - at)));
            for (;;) {
                auto next = reader.next();
                ASSERT_TRUE(next);
                if (!next.value())
                    break;
                read.push_back(*next.value());
            }
        }
        auto const wrote = test::all_messages();
        ASSERT_EQ(read.size(), wrote.size());
        std::set<std::size_t> kinds;
        for (std::size_t i = 0; i < read.size(); ++i) {
            EXPECT_EQ(octets_of(read[i]), octets_of(wrote[i])) << i;
            kinds.insert(read[i].index());
        }
        EXPECT_EQ(kinds.size(), std::variant_size_v<Message>);
    }
}

TEST(Control, KeepsWhatTheFieldsSay) {
    proto::Reader reader;
    reader.feed(octets_of(test::all_messages()[2]));
    auto const next = reader.next();
    ASSERT_TRUE(next && next.value());
    auto const& prepare = std::get<Prepare>(*next.value());
    EXPECT_EQ(prepare.vm, "web");
    EXPECT_EQ(prepare.frames, 65536U);
    EXPECT_EQ(prepare.streams, 4U);
    EXPECT_EQ(prepare.seed, 0x0123'4567'89ab'cdefU);
    EXPECT_EQ(prepare.cpu, "cpu\xff");
}

TEST(Control, SkipsKindsThatItDoesNotKnow) {
    Octets octets{std::byte{3},    std::byte{0},    std::byte{0}, std::byte{0}, // field 31, empty
                  std::byte{0xfa}, std::byte{0x01}, std::byte{0}};
    auto const known = octets_of(Commit{});
    octets.insert(octets.end(), known.begin(), known.end());
    proto::Reader reader;
    reader.feed(octets);
    auto const next = reader.next();
    ASSERT_TRUE(next && next.value());
    EXPECT_TRUE(std::holds_alternative<Commit>(*next.value()));
}

TEST(Control, TakesAReasonThatItDoesNotKnowForThePeers) {
    proto::Reader reader;
    reader.feed(octets_of(Abort{Reason(99), "later"}));
    EXPECT_EQ(std::get<Abort>(*reader.next().value()).reason, Reason::peer);
}

TEST(Control, RefusesWhatIsTooLongBeforeItHasCome) {
    proto::Reader reader;
    reader.feed(Octets{std::byte{1}, std::byte{0}, std::byte{0x10}, std::byte{0}});
    EXPECT_EQ(reader.next().error(), proto::ControlError::too_long);
    reader.feed(octets_of(Commit{}));
    EXPECT_EQ(reader.next().error(), proto::ControlError::too_long); // repeated
}

TEST(Control, DoesNotWriteWhatNobodyWouldRead) {
    Prepare prepare;
    prepare.configuration.resize(proto::kMostMessage);
    Octets out;
    EXPECT_FALSE(proto::write(prepare, out));
    EXPECT_TRUE(out.empty());
}

TEST(Control, RefusesWhatMakesNoSense) {
    auto const refused = [](Octets const& octets) {
        proto::Reader reader;
        reader.feed(octets);
        auto const next = reader.next();
        return !next && next.error() == proto::ControlError::malformed;
    };
    auto no_streams = Prepare{};
    no_streams.streams = 0;
    EXPECT_TRUE(refused(octets_of(no_streams)));
    no_streams.streams = 17;
    EXPECT_TRUE(refused(octets_of(no_streams)));
    EXPECT_TRUE(refused(octets_of(Status{Journaled(200)})));
    auto short_id = octets_of(Hello{});
    EXPECT_FALSE(refused(short_id));
    EXPECT_TRUE(refused({std::byte{4}, std::byte{0}, std::byte{0}, std::byte{0}, // Hello with an id of no octets
                         std::byte{0x0a}, std::byte{2}, std::byte{0x1a}, std::byte{0}}));
    EXPECT_TRUE(refused({std::byte{1}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0x0a}}));
}

TEST(Versions, AreAgreedOnIfThereIsOneThatBothSpeak) {
    auto const agreed = [](std::uint32_t oldest, std::uint32_t newest) {
        Hello hello;
        hello.oldest = oldest;
        hello.newest = newest;
        return agreed_version(hello);
    };
    EXPECT_EQ(agreed(1, 1), 1U);
    EXPECT_EQ(agreed(1, 9), kNewestProtocol);
    EXPECT_EQ(agreed(kNewestProtocol + 1, kNewestProtocol + 3), 0U);
    EXPECT_EQ(agreed(0, 0), 0U);
}

} // namespace
