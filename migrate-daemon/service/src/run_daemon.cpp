// `migrated`: words, signals, and the service manager.

#include <csignal>
#include <string>

#include <CLI/CLI.hpp>
#include <asio/signal_set.hpp>

#include "service/daemon.hpp"
#include "service/log.hpp"

namespace service {

int run_daemon(int count, char** words) {
    CLI::App program{"Moves domains between this host and others, for `migrate`. Runs in the foreground; man migrated.",
                     "migrated"};
    std::string file = kSettingsFile;
    bool check = false;
    auto* const config = program.add_option("--config", file, "settings (" + file + ")")->type_name("FILE");
    program.add_flag("--check", check, "read the settings, say whether they are right, and end");
    try {
        program.parse(count, words);
    } catch (CLI::ParseError const& error) {
        return program.exit(error) == 0 ? 0 : 2;
    }
    Log const log;
    auto settings = read_settings(file, config->count() != 0);
    if (!settings) {
        log.error(sentence(settings.error()));
        return static_cast<int>(settings.error().kind);
    }
    if (check)
        return 0;
    std::signal(SIGPIPE, SIG_IGN);
    asio::io_context context{1};
    Daemon daemon{context, std::move(settings).value(), "/proc/self/exe"};
    if (auto const opened = daemon.open(); !opened) {
        log.error(sentence(opened.error()));
        return static_cast<int>(opened.error().kind);
    }
    asio::signal_set signals{context, SIGINT, SIGTERM};
    signals.async_wait([&](asio::error_code error, int) {
        if (error)
            return;
        notify("STOPPING=1");
        daemon.stop([&] { context.stop(); });
    });
    notify("READY=1");
    context.run();
    return 0;
}

} // namespace service
