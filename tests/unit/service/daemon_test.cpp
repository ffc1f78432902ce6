#include "service/daemon.hpp"

#include <fstream>
#include <optional>
#include <thread>

#include <asio/ip/tcp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemons.hpp"
#include "net/link.hpp"
#include "service/journal.hpp"
#include "service/log.hpp"

namespace service {
namespace {

using net::text_of;
using nlohmann::json;
using outcome::Kind;
using testing::HasSubstr;
using tests::move_to;
using tests::RunningDaemon;

struct TwoDaemons : testing::Test {
    void SetUp() override {
        tests::let_trust_each_other(alpha, beta);
        alpha.start();
        beta.start();
    }
    RunningDaemon alpha{"alpha"}, beta{"beta"};
};

TEST_F(TwoDaemons, MoveADomainByAWorkerEach) {
    std::vector<json> progress;
    auto socket = alpha.socket();
    ASSERT_TRUE(socket.ask(move_to(beta, "move")));
    auto const result = socket.result([&](json const& one) { progress.push_back(one); }).value();
    EXPECT_EQ(client::status_of(result), 0);
    EXPECT_EQ(result.at("outcome"), "moved");
    EXPECT_EQ(result.at("vm"), "web");
    EXPECT_EQ(result.at("answer"), "1"); // the third stream arrived
    EXPECT_EQ(result.at("destination"), "127.0.0.1");
    ASSERT_FALSE(progress.empty());
    EXPECT_EQ(progress.front().at("id"), result.at("id"));
    EXPECT_EQ(progress.back().at("state"), "precopy");

    beta.wait_until_idle();
    ASSERT_EQ(alpha.history().size(), 1U);
    ASSERT_EQ(beta.history().size(), 1U);
    EXPECT_EQ(alpha.history()[0].at("role"), "source");
    EXPECT_EQ(beta.history()[0].at("role"), "destination");
    EXPECT_EQ(beta.history()[0].at("id"), result.at("id"));
    EXPECT_EQ(beta.history()[0].at("source"), "alpha"); // as its certificate says
    EXPECT_TRUE(alpha.status().at("cut_off").empty());
}

TEST_F(TwoDaemons, KeepAReport) {
    auto const id = alpha.ask(move_to(beta, "move")).at("id").get<std::string>();
    auto const report = alpha.ask({{"request", "report"}, {"id", id.substr(0, 8)}});
    EXPECT_EQ(report.at("migration").at("id"), id);
    EXPECT_EQ(report.at("report").at("rounds").at(0).at("pages"), 7);
    EXPECT_EQ(client::status_of(alpha.ask({{"request", "report"}, {"id", "ffff"}})), 3);
}

TEST_F(TwoDaemons, TellAMoveWhatTheLastOnesToThatHostTook) {
    EXPECT_TRUE(alpha.ask(move_to(beta, "move")).at("last").empty());
    beta.wait_until_idle();
    EXPECT_EQ(client::status_of(alpha.ask(move_to(beta, "refuse"))), 3) << "it moves nothing, and tells nothing";
    auto const again = alpha.ask(move_to(beta, "move"));
    ASSERT_EQ(again.at("last").size(), 1U);
    EXPECT_EQ(again.at("last").at(0).at("blackout_ms"), 12.5);
    beta.wait_until_idle();
    EXPECT_TRUE(beta.ask(move_to(alpha, "move")).at("last").empty()) << "what came is no move from here";
}

TEST_F(TwoDaemons, SayWhyAMoveWasNotBegun) {
    auto const result = alpha.ask(move_to(beta, "refuse"));
    EXPECT_EQ(client::status_of(result), 3);
    EXPECT_EQ(result.at("outcome"), "refused");
    EXPECT_EQ(result.at("message"), "there is no domain 'web'");
    EXPECT_EQ(result.at("hint"), "xl list");
}

TEST_F(TwoDaemons, SayThatNobodyIsThere) {
    beta.stop();
    auto const result = alpha.ask(move_to(beta, "move"));
    EXPECT_EQ(client::status_of(result), 4);
    EXPECT_EQ(result.at("message"), "127.0.0.1 refuses connections");
}

TEST_F(TwoDaemons, DoNotMoveWithoutTlsUnlessTheirSettingsAllowIt) {
    auto const result = alpha.ask(move_to(beta, "move", {{"insecure", true}}));
    EXPECT_EQ(client::status_of(result), 3);
    EXPECT_THAT(result.at("message").get<std::string>(), HasSubstr("without TLS"));
    RunningDaemon open{"open", [](Settings& settings) { settings.insecure = true; }};
    open.start();
    EXPECT_EQ(open.ask(move_to(beta, "move", {{"insecure", true}})).at("message"),
              "refused by 127.0.0.1: " + beta.status().at("host").get<std::string>() +
                  " wants TLS, and the connection came without it");
    EXPECT_EQ(open.ask(move_to(open, "move", {{"insecure", true}})).value("code", 0),
              4); // the same number twice in one daemon
}

TEST(TwoInsecureDaemons, MoveWithoutTls) {
    auto const allow = [](Settings& settings) { settings.insecure = true; };
    RunningDaemon one{"one", allow}, two{"two", allow};
    one.start();
    two.start();
    EXPECT_EQ(one.ask(move_to(two, "move", {{"insecure", true}})).at("outcome"), "moved");
}

TEST_F(TwoDaemons, CancelWhenTheCallerSaysSo) {
    auto socket = alpha.socket();
    ASSERT_TRUE(socket.ask(move_to(beta, "wait")));
    auto const result = socket
                            .result([&](json const& progress) {
                                if (progress.at("state") == "precopy")
                                    socket.cancel();
                            })
                            .value();
    EXPECT_EQ(client::status_of(result), 6);
    EXPECT_EQ(result.at("outcome"), "cancelled");
    beta.wait_until_idle();
    EXPECT_EQ(beta.history()[0].at("outcome"), "failed");
}

TEST_F(TwoDaemons, CancelWhenAnybodySaysSo) {
    auto socket = alpha.socket();
    ASSERT_TRUE(socket.ask(move_to(beta, "wait")));
    auto const result =
        socket
            .result([&](json const& progress) {
                if (progress.at("state") != "precopy")
                    return;
                auto const running = alpha.status().at("migrations").at(0);
                EXPECT_EQ(running.at("vm"), "web");
                EXPECT_EQ(running.at("direction"), "outgoing");
                EXPECT_EQ(running.at("state"), "precopy");
                EXPECT_EQ(alpha.ask({{"request", "cancel"}, {"id", "web"}}).at("outcome"), "cancelling");
            })
            .value();
    EXPECT_EQ(client::status_of(result), 6);
    EXPECT_EQ(client::status_of(alpha.ask({{"request", "cancel"}, {"id", "web"}})), 3);
}

TEST_F(TwoDaemons, MoveADomainOnceAtATime) {
    auto socket = alpha.socket();
    ASSERT_TRUE(socket.ask(move_to(beta, "wait")));
    ASSERT_TRUE(socket.result([&](json const& progress) {
        if (progress.at("state") != "precopy")
            return;
        auto const second = alpha.ask(move_to(beta, "move"));
        EXPECT_EQ(client::status_of(second), 3);
        EXPECT_THAT(second.at("message").get<std::string>(), HasSubstr("web is being moved already"));
        socket.cancel();
    }));
}

TEST_F(TwoDaemons, CancelWhatIsUnderWayWhenTheyStop) {
    auto socket = alpha.socket();
    ASSERT_TRUE(socket.ask(move_to(beta, "wait")));
    std::future<void> stopped;
    auto const result = socket.result([&](json const& progress) {
        if (progress.at("state") == "precopy")
            stopped = std::async(std::launch::async, [&] { alpha.stop(); });
    });
    stopped.get();
    beta.wait_until_idle();
    std::ifstream history{alpha.settings.history};
    std::string line;
    ASSERT_TRUE(std::getline(history, line));
    EXPECT_EQ(json::parse(line).at("outcome"), "cancelled");
}

TEST_F(TwoDaemons, OutliveAWorkerThatDies) {
    auto const result = alpha.ask(move_to(beta, "crash"));
    EXPECT_EQ(client::status_of(result), 1);
    EXPECT_EQ(result.at("message"), "the process that moved web was killed by signal 9; this host has it");
    EXPECT_EQ(alpha.ask(move_to(beta, "refuse")).at("outcome"), "refused");
}

TEST_F(TwoDaemons, OutliveAWorkerOfTheOtherHostThatDies) {
    auto const result = alpha.ask(move_to(beta, "other side crashes"));
    EXPECT_EQ(client::status_of(result), 1);
    EXPECT_THAT(result.at("message").get<std::string>(), HasSubstr("127.0.0.1 has"));
    beta.wait_until_idle();
    EXPECT_THAT(beta.history()[0].at("message").get<std::string>(),
                HasSubstr("killed by signal 9; the other host has it"));
}

TEST_F(TwoDaemons, AskForAttentionWhenItIsNotKnownWhoHasTheDomain) {
    auto const result = alpha.ask(move_to(beta, "crash", {{"holder", "unknown"}}));
    EXPECT_EQ(client::status_of(result), 7);
    EXPECT_EQ(result.at("outcome"), "attention");
}

struct Recovery : testing::Test {
    JournalHead head{.id = net::random_id(), .role = Role::source, .vm = "web", .peer = "nobody"};
    void cut_off(RunningDaemon const& daemon) const {
        auto journal = std::move(Journal::create(daemon.settings.journals, head).value());
        ASSERT_TRUE(journal.append({.state = "commit", .holder = Holder::unknown, .detail = {}}));
    }
    void cut_off_as_destination(RunningDaemon const& daemon) {
        head.role = service::Role::destination;
        head.peer = "somebody";
        cut_off(daemon);
    }
};

TEST_F(Recovery, IsTriedForEachJournalWithoutAnEnd) {
    RunningDaemon alpha{"alpha"};
    cut_off(alpha);
    alpha.start();
    alpha.wait_until_idle();
    EXPECT_TRUE(alpha.status().at("cut_off").empty());
    auto const last = alpha.history().at(0);
    EXPECT_EQ(last.at("outcome"), "recovered");
    EXPECT_EQ(last.at("entries"), 1);
    EXPECT_EQ(last.at("id"), text_of(head.id));
}

TEST_F(Recovery, IsTriedAfterAWorkerDied) {
    RunningDaemon alpha{"alpha"};
    alpha.start();
    auto request = move_to(alpha, "crash", {{"holder", "unknown"}});
    request["host"] = "nobody";
    auto const id = alpha.ask(request).at("id");
    alpha.wait_until_idle();
    EXPECT_EQ(alpha.history().at(0).at("outcome"), "recovered");
    EXPECT_EQ(alpha.history().at(0).at("id"), id);
}

TEST_F(Recovery, HearsTheOtherHostWhenItCalls) {
    RunningDaemon alpha{"alpha"}, beta{"beta"};
    cut_off_as_destination(beta);
    tests::let_trust_each_other(alpha, beta);
    beta.start();
    // What a recovering worker of alpha does.
    net::Link link;
    auto const connected = link.connect({.host = "127.0.0.1",
                                         .port = beta.port,
                                         .id = head.id,
                                         .purpose = net::Purpose::again,
                                         .credentials = net::Credentials::read(alpha.settings.keys).value()},
                                        {});
    ASSERT_TRUE(connected) << connected.error().message;
    auto const question = std::as_bytes(std::span{std::string_view{"who?"}});
    ASSERT_TRUE(link.send(question));
    auto const answer = link.receive();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer.value().size(), 8U); // "who? you"
}

TEST_F(Recovery, IsLeftWhenTheDaemonEndsAndTriedAtItsNextStart) {
    RunningDaemon beta{"beta"};
    cut_off_as_destination(beta);
    beta.start();
    beta.stop();
    beta.start();
    EXPECT_EQ(beta.status().at("migrations").size(), 1U);
    EXPECT_EQ(beta.history().at(0).at("outcome"), "attention");
}

TEST_F(Recovery, WaitsForAProcessThatHasTheJournalStill) {
    RunningDaemon alpha{"alpha"};
    auto journal = std::optional{std::move(Journal::create(alpha.settings.journals, head).value())};
    ASSERT_TRUE(journal->append({.state = "commit", .holder = Holder::unknown, .detail = {}}));
    alpha.start();
    while (alpha.status().at("migrations").at(0).value("state", "") != "wait")
        std::this_thread::yield();
    ASSERT_TRUE(journal->append({.state = "committed", .holder = Holder::here, .detail = {}}));
    journal.reset(); // it has been killed
    alpha.wait_until_idle();
    EXPECT_TRUE(alpha.status().at("cut_off").empty());
    EXPECT_EQ(alpha.history().at(0).at("outcome"), "recovered");
    EXPECT_EQ(alpha.history().at(0).at("entries"), 2);
}

TEST_F(Recovery, SaysNothingOfWhatAnotherProcessBroughtToItsEnd) {
    RunningDaemon alpha{"alpha"};
    auto journal = std::optional{std::move(Journal::create(alpha.settings.journals, head).value())};
    alpha.start();
    ASSERT_TRUE(journal->append({.state = "moved", .holder = Holder::there, .final = true, .detail = {}}));
    journal.reset();
    alpha.wait_until_idle();
    EXPECT_TRUE(alpha.status().at("cut_off").empty());
    EXPECT_TRUE(alpha.history().empty());
}

TEST_F(Recovery, DoesNotKeepADaemonThatEndsFromEnding) {
    RunningDaemon alpha{"alpha"};
    auto const journal = Journal::create(alpha.settings.journals, head);
    alpha.start();
    EXPECT_EQ(alpha.status().at("migrations").size(), 1U);
    alpha.stop();
    EXPECT_TRUE(read_journal(journal.value().path()).value().in_use);
}

TEST_F(Recovery, GoesOnWithWhatAProcessLeftWhoseDaemonWasKilled) {
    RunningDaemon beta{"beta"};
    cut_off_as_destination(beta);
    beta.start();
    while (beta.status().at("migrations").at(0).value("state", "") != "waits")
        std::this_thread::yield();
    beta.be_killed();
    beta.start();
    auto const id = text_of(head.id);
    EXPECT_EQ(beta.ask({{"request", "resolve"}, {"id", id}, {"here", true}}).at("outcome"), "resolving");
    beta.wait_until_idle();
    EXPECT_EQ(beta.history().at(0).at("word"), "here");
}

TEST_F(Recovery, TakesAPersonsWord) {
    RunningDaemon beta{"beta"};
    cut_off_as_destination(beta);
    beta.start();
    auto const id = text_of(head.id);
    EXPECT_EQ(client::status_of(beta.ask({{"request", "resolve"}, {"id", "abc"}, {"here", true}})), 3);
    EXPECT_EQ(client::status_of(beta.ask({{"request", "resolve"}, {"id", id}})), 3);
    EXPECT_EQ(beta.ask({{"request", "resolve"}, {"id", id.substr(0, 8)}, {"here", true}}).at("outcome"), "resolving");
    beta.wait_until_idle();
    EXPECT_EQ(beta.history().at(0).at("word"), "here");
    EXPECT_EQ(client::status_of(beta.ask({{"request", "resolve"}, {"id", id}, {"here", true}})), 3);
}

TEST_F(Recovery, TakesAPersonsWordAlsoWhenNobodyIsAtIt) {
    RunningDaemon beta{"beta"};
    cut_off_as_destination(beta);
    beta.start();
    auto const id = text_of(head.id);
    EXPECT_EQ(beta.ask({{"request", "cancel"}, {"id", id}}).at("outcome"), "cancelling");
    beta.wait_until_idle();
    EXPECT_EQ(beta.status().at("cut_off").size(), 1U);
    EXPECT_EQ(beta.ask({{"request", "resolve"}, {"id", id}, {"here", false}}).at("outcome"), "resolving");
    beta.wait_until_idle();
    EXPECT_EQ(beta.history().at(0).at("word"), "there");
}

TEST_F(Recovery, OfWhatNobodyRemembersIsRefused) {
    RunningDaemon beta{"beta"};
    beta.start();
    for (auto const purpose : {net::Purpose::again, net::Purpose::data}) {
        net::Link link;
        auto const connected = link.connect({.host = "127.0.0.1",
                                             .port = beta.port,
                                             .id = head.id,
                                             .purpose = purpose,
                                             .credentials = net::Credentials::read(beta.settings.keys).value()},
                                            {});
        ASSERT_FALSE(connected);
        EXPECT_THAT(connected.error().message, HasSubstr(text_of(head.id)));
    }
}

TEST_F(TwoDaemons, RefuseRequestsThatAreNone) {
    EXPECT_EQ(client::status_of(alpha.ask({{"request", "fly"}})), 3);
    EXPECT_EQ(client::status_of(alpha.ask({{"question", "status"}})), 3);
    EXPECT_EQ(client::status_of(alpha.ask({{"request", "move"}, {"vm", "web"}})), 3);
    EXPECT_EQ(client::status_of(alpha.ask({{"request", "move"}, {"vm", 5}, {"host", {1}}, {"options", 3}})), 3);
}

TEST_F(TwoDaemons, KeepTheirSocketToTheirOwner) {
    struct stat status {};
    ASSERT_EQ(stat(alpha.settings.socket.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 077U, 0U);
    asio::io_context context;
    Daemon second{context, alpha.settings, ENGINE_FOR_TESTS};
    EXPECT_THAT(second.open().error().message, HasSubstr("listens at"));
    EXPECT_TRUE(alpha.status().contains("migrations")); // undisturbed
}

TEST_F(TwoDaemons, ShowTheirCertificateToWhoeverAsks) {
    EXPECT_EQ(net::ask_for_certificate("127.0.0.1", beta.port, std::chrono::seconds{60}).value().fingerprint,
              beta.certificate.fingerprint);
}

TEST_F(TwoDaemons, ShowTheirMetrics) {
    ASSERT_EQ(alpha.ask(move_to(beta, "move")).at("outcome"), "moved");
    asio::ip::tcp::iostream http{"127.0.0.1", std::to_string(alpha.metrics_port())};
    http << "GET /metrics HTTP/1.1\r\nHost: alpha\r\n\r\n" << std::flush;
    std::string const answer{std::istreambuf_iterator<char>{http}, {}};
    EXPECT_THAT(answer, HasSubstr("tern_migrations_total{outcome=\"moved\",role=\"source\"} 1\n"));
    EXPECT_THAT(answer, HasSubstr("tern_migration_downtime_seconds_count 1\n"));
}

TEST(ADaemonThatIsNotThere, IsSaidSo) {
    tests::Folder const folder;
    auto const none = client::DaemonSocket::open(folder.path() / "socket");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, Kind::connect);
    EXPECT_EQ(none.error().hint, "systemctl start migrated");
}

TEST(TheServiceManager, IsToldByADatagram) {
    tests::Folder const folder;
    auto const path = folder.path() / "notify";
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, path.c_str());
    int const socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(socket, reinterpret_cast<sockaddr const*>(&name), sizeof name), 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
    char text[32] = "";
    EXPECT_EQ(recv(socket, text, sizeof text, 0), 7);
    EXPECT_STREQ(text, "READY=1");
    close(socket);
}

} // namespace
} // namespace service
