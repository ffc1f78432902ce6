// Who is not let in, and what both sides say of it.

#include "net/link.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hosts.hpp"

namespace net {
namespace {

using outcome::Failure;
using outcome::Kind;
using tests::Host;
using tests::soon;

struct Ends {
    outcome::Result<void> here, there;
};

/// What both sides say of a call that does not succeed.
Ends refused(Link& here, Call const& call, Host& there) {
    auto other = std::async(std::launch::async, [&] { return there.called.accept(soon()); });
    auto connected = here.connect(call, soon());
    EXPECT_FALSE(connected);
    EXPECT_EQ(connected.error().kind, Kind::connect);
    return {std::move(connected), other.get()};
}

/// What the caller says, where the called side never hears of a link.
Failure refused_at_the_door(Call const& call) {
    Link here;
    auto const connected = here.connect(call, soon());
    EXPECT_FALSE(connected);
    return connected ? Failure{} : connected.error();
}

struct Refusal : testing::Test {
    void meet() const {
        alpha.trust(beta);
        beta.trust(alpha);
    }
    Call prepared() {
        auto call = beta.call_here();
        call.credentials = alpha.credentials();
        beta.called.expect(beta.credentials());
        return call;
    }

    Host alpha{"alpha"}, beta{"beta"};
    Link here;
};

TEST_F(Refusal, OfAnUnknownCaller) {
    alpha.trust(beta);
    auto const ends = refused(here, prepared(), beta);
    EXPECT_EQ(ends.here.error().message, "127.0.0.1 does not trust this host's certificate");
    EXPECT_EQ(ends.there.error().message, "this host does not trust the certificate that 127.0.0.1 shows");
}

TEST_F(Refusal, OfAnUnknownHost) {
    beta.trust(alpha);
    auto const ends = refused(here, prepared(), beta);
    EXPECT_EQ(ends.here.error().message, "this host does not trust the certificate that 127.0.0.1 shows");
    EXPECT_EQ(ends.here.error().hint, "migrate keys trust 127.0.0.1");
    EXPECT_EQ(ends.there.error().message, "127.0.0.1 does not trust this host's certificate");
}

TEST_F(Refusal, OfACertificateWithTheSameNameAndAnotherKey) {
    Host const twin{"alpha"};
    alpha.trust(beta);
    beta.trust(twin);
    EXPECT_EQ(refused(here, prepared(), beta).here.error().message, "127.0.0.1 does not trust this host's certificate");
}

TEST_F(Refusal, OfACallerWhoseCertificateHasExpired) {
    Host const old{"old", {}, std::chrono::hours{-1}};
    beta.trust(old);
    old.trust(beta);
    auto call = prepared();
    call.credentials = old.credentials();
    auto const ends = refused(here, call, beta);
    EXPECT_EQ(ends.here.error().message, "this host's certificate has expired, says 127.0.0.1");
    EXPECT_EQ(ends.there.error().message, "the certificate of 127.0.0.1 has expired");
}

TEST_F(Refusal, OfAHostWhoseCertificateHasExpired) {
    Host old{"old", {}, std::chrono::hours{-1}};
    alpha.trust(old);
    old.trust(alpha);
    auto call = old.call_here();
    call.credentials = alpha.credentials();
    old.called.expect(old.credentials());
    EXPECT_EQ(refused(here, call, old).here.error().message, "the certificate of 127.0.0.1 has expired");
}

TEST_F(Refusal, OfACallWithoutTls) {
    auto const failure = refused_at_the_door(beta.call_here());
    EXPECT_EQ(failure.kind, Kind::connect);
    EXPECT_EQ(failure.message, "refused by 127.0.0.1: beta wants TLS, and the connection came without it");
}

TEST_F(Refusal, OfACallWithTlsByAHostWithoutAKey) {
    Host gamma{"gamma", {.tls = false, .insecure = true}};
    auto call = gamma.call_here();
    call.credentials = alpha.credentials();
    EXPECT_EQ(refused_at_the_door(call).message,
              "refused by 127.0.0.1: gamma has no key, and the connection wants TLS");
}

TEST_F(Refusal, ByNobody) {
    auto call = beta.call_here();
    {
        Host const gone{"gone"};
        call.port = gone.port;
    }
    auto const failure = refused_at_the_door(call);
    EXPECT_EQ(failure.kind, Kind::connect);
    EXPECT_EQ(failure.message, "127.0.0.1 refuses connections");
}

TEST_F(Refusal, ByAHostThatDoesNotExist) {
    auto call = beta.call_here();
    call.host = "no host has a space in its name";
    EXPECT_EQ(refused_at_the_door(call).message, "there is no host no host has a space in its name");
}

/// Something else that listens on the loopback.
struct Listener {
    Listener() {
        sockaddr_in name{};
        socklen_t size = sizeof name;
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(bind(socket, reinterpret_cast<sockaddr*>(&name), size), 0);
        EXPECT_EQ(listen(socket, 8), 0);
        EXPECT_EQ(getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size), 0);
        port = ntohs(name.sin_port);
    }
    ~Listener() { close(socket); }
    int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::uint16_t port = 0;
};

TEST_F(Refusal, OfSomethingElseThatAnswers) {
    Listener other;
    auto served = std::async(std::launch::async, [&] {
        int const caller = accept(other.socket, nullptr, nullptr);
        HelloOctets hello{};
        recv(caller, hello.data(), hello.size(), MSG_WAITALL);
        std::string_view const words = "HTTP/1.1 400 Bad Request\r\n\r\n";
        send(caller, words.data(), words.size(), MSG_NOSIGNAL);
        close(caller);
    });
    auto call = beta.call_here();
    call.port = other.port;
    EXPECT_EQ(refused_at_the_door(call).message,
              "what listens at 127.0.0.1, port " + std::to_string(other.port) + ", is no migrated");
    served.get();
}

TEST_F(Refusal, OfSomebodyWhoNeverAnswers) {
    Listener silent;
    auto call = beta.call_here();
    call.port = silent.port;
    auto const connected = here.connect(call, std::chrono::steady_clock::now());
    EXPECT_EQ(connected.error().message, "127.0.0.1 did not answer in time");
}

TEST_F(Refusal, OfALinkWhoseStreamsNeverCome) {
    beta.terms.insecure = true;
    EXPECT_EQ(beta.called.accept(std::chrono::steady_clock::now()).error().message,
              "not all connections of the migration came in time");
}

/// A caller that does what it likes.
struct Stranger {
    explicit Stranger(Host const& host) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        name.sin_port = htons(host.port);
        EXPECT_EQ(connect(socket, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    }
    Stranger(Stranger const&) = delete;
    Stranger& operator=(Stranger const&) = delete;
    ~Stranger() { close(socket); }
    void say(base::Bytes octets) const {
        ASSERT_EQ(send(socket, octets.data(), octets.size(), MSG_NOSIGNAL), static_cast<ssize_t>(octets.size()));
    }
    [[nodiscard]] Answer answer() const {
        std::array<std::byte, kAnswerSize> head{};
        if (recv(socket, head.data(), head.size(), MSG_WAITALL) != kAnswerSize)
            return {99, Verdict::no_hello, "no answer"};
        auto const parsed = answer_from(head).value();
        std::string text(parsed.text, '\0');
        if (!text.empty() && recv(socket, text.data(), text.size(), MSG_WAITALL) != static_cast<ssize_t>(text.size()))
            text = "cut off";
        return {parsed.answer.version, parsed.answer.verdict, text};
    }
    [[nodiscard]] bool sees_the_end() const {
        char octet = 0;
        return recv(socket, &octet, 1, 0) <= 0;
    }
    int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

TEST_F(Refusal, OfAnotherProtocol) {
    Stranger const browser{beta};
    browser.say(tests::octets("GET / HT"));
    EXPECT_EQ(browser.answer().text, "what connected to beta does not speak the migration protocol");
    EXPECT_TRUE(browser.sees_the_end());
}

TEST_F(Refusal, OfANewerVersion) {
    Stranger const later{beta};
    later.say(octets_of(Hello{.newest = 5, .oldest = 3, .id = {}}));
    EXPECT_EQ(later.answer(),
              (Answer{0, Verdict::version, "beta speaks version 1 of the migration protocol, not 3 to 5"}));
}

TEST_F(Refusal, OfACallerWithoutACertificate) {
    beta.called.expect(beta.credentials());
    Stranger const bare{beta};
    bare.say(octets_of(Hello{}));
    EXPECT_EQ(bare.answer().verdict, Verdict::welcome);
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> const context{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
    std::unique_ptr<SSL, decltype(&SSL_free)> const session{SSL_new(context.get()), SSL_free};
    SSL_set_fd(session.get(), bare.socket);
    EXPECT_EQ(SSL_connect(session.get()), 1); // TLS 1.3: it does not know yet
    char octet = 0;
    EXPECT_LE(SSL_read(session.get(), &octet, 1), 0);
    EXPECT_EQ(beta.called.accept(soon()).error().message, "one of this host and 127.0.0.1 showed no certificate");
}

TEST_F(Refusal, OfAnOlderTls) {
    beta.called.expect(beta.credentials());
    Stranger const old{beta};
    old.say(octets_of(Hello{}));
    EXPECT_EQ(old.answer().verdict, Verdict::welcome);
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> const context{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
    SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
    std::unique_ptr<SSL, decltype(&SSL_free)> const session{SSL_new(context.get()), SSL_free};
    SSL_set_fd(session.get(), old.socket);
    EXPECT_NE(SSL_connect(session.get()), 1);
    EXPECT_FALSE(beta.called.accept(soon()));
}

TEST_F(Refusal, OfFirstOctetsThatWereAltered) {
    Host open{"open", {.tls = false, .insecure = true}};
    Stranger const between{open};
    between.say(octets_of(Hello{.secure = false, .id = {}}));
    EXPECT_EQ(between.answer().verdict, Verdict::welcome);
    between.say(octets_of(Hello{.newest = 2, .secure = false, .id = {}}));
    EXPECT_EQ(open.called.accept(soon()).error().message, "somebody altered the first octets that came from 127.0.0.1");
}

TEST_F(Refusal, OfAStrangersDataConnectionHurtsNobodyElse) {
    tests::Pair pair{true, 2};
    Stranger const stranger{pair.beta};
    stranger.say(octets_of(Hello{.purpose = Purpose::data, .index = 1, .streams = 2, .id = pair.call.id}));
    EXPECT_EQ(stranger.answer().verdict, Verdict::welcome);
    stranger.say(tests::octets("this is no handshake of TLS"));
    pair.open();
    Octets data{std::byte{1}}, room(1);
    ASSERT_TRUE(pair.here.stream(1).write(data));
    EXPECT_EQ(pair.there.stream(1).read(room, soon()).value(), 1U);
    EXPECT_EQ(room[0], std::byte{1});
}

TEST_F(Refusal, OfWhoGivesUpBeforeItsStreamsAreThere) {
    Host open{"open", {.tls = false, .insecure = true}};
    {
        Stranger const brief{open};
        Hello const hello{.secure = false, .id = {}};
        brief.say(octets_of(hello));
        EXPECT_EQ(brief.answer().verdict, Verdict::welcome);
        brief.say(octets_of(hello));
        EXPECT_EQ(brief.answer().verdict, Verdict::welcome); // confirmed
    }
    EXPECT_EQ(open.called.accept(soon()).error().message, "127.0.0.1 gave up before all connections were there");
}

TEST_F(Refusal, HasNoPartInTheQuestionForACertificate) {
    auto const theirs = ask_for_certificate("127.0.0.1", beta.port, std::chrono::seconds{60});
    ASSERT_TRUE(theirs) << theirs.error().message;
    EXPECT_EQ(theirs.value().fingerprint, beta.certificate.fingerprint);
    Listener silent;
    close(silent.socket);
    silent.socket = -1;
    EXPECT_EQ(ask_for_certificate("127.0.0.1", silent.port, std::chrono::seconds{60}).error().kind, Kind::connect);
}

} // namespace
} // namespace net
