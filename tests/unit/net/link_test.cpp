#include "net/link.hpp"

#include <random>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include "hosts.hpp"
#include "mailbox.hpp"

namespace net {
namespace {

using outcome::Kind;
using tests::octets;
using tests::soon;
using tests::text;

struct WithAndWithoutTls : testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(, WithAndWithoutTls, testing::Bool(),
                         [](auto const& of) { return of.param ? "tls" : "plain"; });

TEST_P(WithAndWithoutTls, MessagesArriveWholeAndInOrderBothWays) {
    tests::Pair pair{GetParam()};
    pair.open();
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(pair.here.send(octets("out " + std::to_string(i))));
        ASSERT_TRUE(pair.there.send(octets("back " + std::to_string(i))));
    }
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(text(pair.there.receive(soon()).value()), "out " + std::to_string(i));
        EXPECT_EQ(text(pair.here.receive(soon()).value()), "back " + std::to_string(i));
    }
}

TEST_P(WithAndWithoutTls, TheLargestMessageArrives) {
    tests::Pair pair{GetParam()};
    pair.open();
    Octets message(kMostMessage);
    for (std::size_t i = 0; i < message.size(); ++i)
        message[i] = static_cast<std::byte>(i * 2654435761U >> 24);
    ASSERT_TRUE(pair.here.send(message));
    EXPECT_EQ(pair.there.receive(soon()).value(), message);
}

TEST_P(WithAndWithoutTls, StreamsCarryTheirOctetsToTheEnd) {
    constexpr std::size_t kPieces = 40, kPiece = 300'000;
    tests::Pair pair{GetParam(), 3};
    pair.open();
    auto const piece_of = [](std::size_t stream, std::size_t piece) {
        Octets made(kPiece);
        std::mt19937 random{static_cast<unsigned>(stream * kPieces + piece)};
        for (auto& octet : made)
            octet = static_cast<std::byte>(random());
        return made;
    };
    std::vector<std::future<bool>> writers;
    for (std::size_t i = 0; i < 3; ++i)
        writers.push_back(std::async(std::launch::async, [&, i] {
            for (std::size_t piece = 0; piece < kPieces; ++piece) {
                auto data = piece_of(i, piece);
                if (!pair.here.stream(i).write(data) || !data.empty())
                    return false;
            }
            pair.here.stream(i).finish();
            return pair.here.stream(i).flush(soon()).ok();
        }));
    for (std::size_t i = 0; i < 3; ++i) {
        Octets room(kPiece);
        for (std::size_t piece = 0; piece < kPieces; ++piece) {
            for (std::size_t at = 0; at < kPiece;) {
                auto const got = pair.there.stream(i).read(std::span{room}.subspan(at), soon());
                ASSERT_TRUE(got) << got.error().message;
                ASSERT_NE(got.value(), 0U);
                at += got.value();
            }
            ASSERT_EQ(room, piece_of(i, piece));
        }
        EXPECT_EQ(pair.there.stream(i).read(room, soon()).value(), 0U);
        EXPECT_EQ(pair.there.stream(i).read(room, soon()).value(), 0U); // and stays at its end
        EXPECT_TRUE(writers[i].get());
        EXPECT_EQ(pair.here.stream(i).moved(), kPieces * kPiece);
        EXPECT_EQ(pair.there.stream(i).moved(), kPieces * kPiece);
    }
}

TEST_P(WithAndWithoutTls, WhatWasSentBeforeClosingArrives) {
    tests::Pair pair{GetParam()};
    pair.open();
    for (int i = 0; i < 50; ++i)
        ASSERT_TRUE(pair.here.send(Octets(10'000, static_cast<std::byte>(i))));
    auto closed = std::async(std::launch::async, [&] { return pair.here.close(soon()); });
    for (int i = 0; i < 50; ++i)
        ASSERT_EQ(pair.there.receive(soon()).value(), Octets(10'000, static_cast<std::byte>(i)));
    auto const end = pair.there.receive(soon());
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().kind, Kind::failed);
    EXPECT_NE(end.error().message.find("has closed the connection"), std::string::npos);
    EXPECT_TRUE(pair.there.close(soon()));
    EXPECT_TRUE(closed.get());
}

TEST_P(WithAndWithoutTls, BothSidesKnowWhoTheOtherIs) {
    bool const with_tls = GetParam();
    tests::Pair pair{with_tls};
    pair.open();
    EXPECT_EQ(pair.here.peer().name, "127.0.0.1");
    EXPECT_EQ(pair.here.peer().fingerprint, with_tls ? pair.beta.certificate.fingerprint : "");
    EXPECT_EQ(pair.there.peer().name, with_tls ? "alpha" : "127.0.0.1");
    EXPECT_EQ(pair.there.peer().address, "127.0.0.1");
    EXPECT_EQ(pair.there.peer().fingerprint, with_tls ? pair.alpha.certificate.fingerprint : "");
    EXPECT_EQ(pair.here.version(), kVersion);
    EXPECT_EQ(pair.there.version(), kVersion);
}

TEST_P(WithAndWithoutTls, ALinkForWhatTwoJournalsDisagreeOnHasNoStreams) {
    tests::Pair pair{GetParam()};
    pair.call.purpose = Purpose::again;
    pair.open();
    EXPECT_EQ(pair.here.streams(), 0U);
    EXPECT_EQ(pair.there.streams(), 0U);
    ASSERT_TRUE(pair.here.send(octets("who has it?")));
    EXPECT_EQ(text(pair.there.receive(soon()).value()), "who has it?");
}

TEST(Link, UnderALimitLosesNothing) {
    tests::Pair pair{false};
    pair.open();
    pair.here.set_bandwidth(50'000'000);
    Octets data(1'000'000, std::byte{7});
    ASSERT_TRUE(pair.here.stream(0).write(data));
    pair.here.stream(0).finish();
    std::size_t all = 0;
    for (Octets room(65'536);;) {
        auto const got = pair.there.stream(0).read(room, soon()).value();
        if (got == 0)
            break;
        all += got;
    }
    EXPECT_EQ(all, 1'000'000U);
}

TEST(Link, RefusesMessagesThatCannotBeSent) {
    tests::Pair pair{false};
    pair.open();
    EXPECT_FALSE(pair.here.send(Octets{}));
    EXPECT_FALSE(pair.here.send(Octets(kMostMessage + 1)));
    ASSERT_TRUE(pair.here.send(octets("and goes on")));
    EXPECT_EQ(text(pair.there.receive(soon()).value()), "and goes on");
}

TEST(Link, ReceivesNothingWhenTheTimeIsOver) {
    tests::Pair pair{false};
    pair.open();
    EXPECT_EQ(pair.here.receive(std::chrono::steady_clock::now()).error().kind, Kind::timed_out);
    ASSERT_TRUE(pair.there.send(octets("late")));
    EXPECT_EQ(text(pair.here.receive(soon()).value()), "late");
}

TEST(Link, ThatIsCancelledWakesAllWhoWait) {
    tests::Pair pair{true};
    pair.open();
    auto receiver = std::async(std::launch::async, [&] { return pair.there.receive(); });
    auto reader = std::async(std::launch::async, [&] {
        Octets room(10);
        return pair.there.stream(0).read(room);
    });
    auto writer = std::async(std::launch::async, [&] { // nobody reads: it waits sooner or later
        for (;;) {
            Octets data(1U << 20);
            if (auto const written = pair.here.stream(0).write(data); !written)
                return written.error();
        }
    });
    pair.there.cancel();
    EXPECT_EQ(receiver.get().error().kind, Kind::cancelled);
    auto const read = reader.get(); // what had come before, or the reason
    EXPECT_TRUE(read.ok() || read.error().kind == Kind::cancelled);
    pair.here.cancel();
    auto const why = writer.get();
    EXPECT_TRUE(why.kind == Kind::cancelled || why.kind == Kind::failed)
        << why.message; // the other side's end may be seen first
    EXPECT_EQ(pair.there.send(octets("x")).error().kind, Kind::cancelled);
}

TEST(Link, ThatGoesAwayEndsTheOther) {
    tests::Pair pair{true};
    pair.open();
    auto other = std::make_unique<tests::Pair>(true);
    other->open();
    auto receiver = std::async(std::launch::async, [&] { return other->there.receive(soon()); });
    other->here.cancel();
    EXPECT_EQ(receiver.get().error().kind, Kind::failed);
}

/// The octets of one frame at the other end of a plain connection.
std::string frame_from(int socket) {
    std::uint32_t length = 0;
    if (recv(socket, &length, sizeof length, MSG_WAITALL) != sizeof length)
        return "nothing";
    std::string message(length, '\0');
    return length == 0 || recv(socket, message.data(), length, MSG_WAITALL) == static_cast<ssize_t>(length) ? message
                                                                                                            : "cut off";
}

/// A link whose other end is a bare socket.
struct Bare : testing::Test {
    void SetUp() override {
        int ends[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        socket = ends[1];
        Hello const hello{.purpose = Purpose::again, .secure = false, .id = {}};
        link.attach(ends[0], hello, 1);
        say(octets_of(hello));
        ASSERT_TRUE(link.accept(soon()));
        std::array<std::byte, kAnswerSize> confirmed{};
        ASSERT_EQ(recv(socket, confirmed.data(), confirmed.size(), MSG_WAITALL), kAnswerSize);
    }
    void TearDown() override { close(socket); }
    void say(base::Bytes octets) const {
        ASSERT_EQ(::send(socket, octets.data(), octets.size(), MSG_NOSIGNAL), static_cast<ssize_t>(octets.size()));
    }

    Link link;
    int socket = -1;
};

TEST_F(Bare, AMessageThatIsNotAnsweredIsFollowedByThreeFillers) {
    ASSERT_TRUE(link.send(octets("prepare")));
    EXPECT_EQ(frame_from(socket), "prepare");
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(frame_from(socket), "");
    ASSERT_TRUE(link.send(octets("next"))); // were there a fourth, it would come before
    EXPECT_EQ(frame_from(socket), "next");
}

TEST_F(Bare, FillersAreNotReceived) {
    say(octets(std::string_view{"\0\0\0\0\0\0\0\0\2\0\0\0ok\0\0\0\0", 18}));
    EXPECT_EQ(text(link.receive(soon()).value()), "ok");
    EXPECT_EQ(link.receive(std::chrono::steady_clock::now()).error().kind, Kind::timed_out);
}

TEST_F(Bare, ALengthAboveTheLimitEndsTheLink) {
    say(octets(std::string_view{"\1\0\x10\0", 4}));
    auto const refused = link.receive(soon());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("longer than any can be"), std::string::npos);
}

TEST_F(Bare, AMessageThatIsCutOffIsNotReceived) {
    say(octets(std::string_view{"\4\0\0\0ab", 6}));
    shutdown(socket, SHUT_WR);
    EXPECT_NE(link.receive(soon()).error().message.find("has closed the connection"), std::string::npos);
}

TEST(Mailbox, NeverHoldsMoreThanItsLimitAndOneItem) {
    constexpr std::size_t kLimit = 10'000, kItem = 3'000;
    constexpr int kItems = 200;
    asio::io_context context{1};
    Mailbox mail{context, kLimit};
    std::size_t most = 0;
    int count = 0;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            for (;;) {
                most = std::max(most, mail.held());
                auto item = co_await mail.next();
                if (!item)
                    co_return;
                ++count;
                mail.done(std::move(*item));
            }
        },
        asio::detached);
    auto writer = std::async(std::launch::async, [&] {
        for (int i = 0; i < kItems; ++i) {
            EXPECT_TRUE(mail.put(Octets(kItem)));
            EXPECT_LE(mail.held(), kLimit + kItem);
        }
        mail.end();
    });
    context.run();
    writer.get();
    EXPECT_EQ(count, kItems);
    EXPECT_LE(most, kLimit + kItem);
}

} // namespace
} // namespace net
