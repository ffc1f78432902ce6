/// Daemons for tests: each with folders of its own, on the loopback, with workers that are engine_for_tests.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <gtest/gtest.h>

#include "client/daemon_socket.hpp"
#include "net/keys.hpp"
#include "service/daemon.hpp"
#include "unit/net/folders.hpp"

namespace tests {

class RunningDaemon {
  public:
    explicit RunningDaemon(std::string const& name, std::function<void(service::Settings&)> const& change = {}) {
        certificate = net::make_keys(path("keys"), name).value();
        settings.listen = settings.metrics_listen = "127.0.0.1";
        settings.port = settings.metrics_port = 0;
        settings.keys = path("keys");
        settings.socket = path("socket");
        settings.journals = path("journals");
        settings.reports = path("reports");
        settings.history = path("history");
        if (change)
            change(settings);
    }
    RunningDaemon(RunningDaemon const&) = delete;
    RunningDaemon& operator=(RunningDaemon const&) = delete;
    ~RunningDaemon() {
        if (thread_.joinable())
            stop();
    }

    void start() {
        context_->restart(); // after a stop()
        daemon_ = std::make_unique<service::Daemon>(*context_, settings, ENGINE_FOR_TESTS);
        auto const opened = daemon_->open();
        ASSERT_TRUE(opened) << opened.error().message;
        port = daemon_->port();
        thread_ = std::thread{[this] { context_->run(); }};
    }
    /// As SIGTERM does.
    void stop() {
        asio::post(*context_, [this] { daemon_->stop([this] { context_->stop(); }); });
        thread_.join();
        daemon_.reset();
    }

    /// As SIGKILL does: its workers find that it has gone.
    void be_killed() {
        asio::post(*context_, [this] { context_->stop(); });
        thread_.join();
        daemon_.reset();
        context_ = std::make_unique<asio::io_context>(1); // nothing of what it had begun is gone on with
    }

    [[nodiscard]] std::filesystem::path path(char const* name) const { return folder.path() / name; }
    [[nodiscard]] client::DaemonSocket socket() const {
        auto opened = client::DaemonSocket::open(settings.socket);
        EXPECT_TRUE(opened) << opened.error().message;
        return std::move(opened).value();
    }
    /// One request, and its result.
    [[nodiscard]] nlohmann::json ask(nlohmann::json const& request) const {
        auto one = socket();
        EXPECT_TRUE(one.ask(request));
        auto const result = one.result({});
        EXPECT_TRUE(result) << result.error().message;
        return result ? result.value() : nlohmann::json{};
    }
    [[nodiscard]] nlohmann::json status() const { return ask({{"request", "status"}}); }
    [[nodiscard]] nlohmann::json history() const { return ask({{"request", "history"}}).at("migrations"); }
    /// Asks until nothing is under way.
    void wait_until_idle() const {
        while (!status().at("migrations").empty())
            std::this_thread::yield();
    }

    Folder folder;
    net::Certificate certificate;
    service::Settings settings;
    std::uint16_t port = 0;
    [[nodiscard]] std::uint16_t metrics_port() const { return daemon_->metrics_port(); }

  private:
    std::unique_ptr<asio::io_context> context_ = std::make_unique<asio::io_context>(1);
    std::unique_ptr<service::Daemon> daemon_;
    std::thread thread_;
};

inline void let_trust_each_other(RunningDaemon const& one, RunningDaemon const& other) {
    ASSERT_TRUE(net::trust(one.settings.keys, other.certificate.pem));
    ASSERT_TRUE(net::trust(other.settings.keys, one.certificate.pem));
}

/// The request to move a domain to that daemon.
inline nlohmann::json move_to(RunningDaemon const& there, char const* act,
                              nlohmann::json options = nlohmann::json::object()) {
    options["act"] = act;
    options["port"] = there.port;
    return {{"request", "move"}, {"vm", "web"}, {"host", "127.0.0.1"}, {"options", options}};
}

} // namespace tests
