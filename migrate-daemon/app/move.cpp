#include "move.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "client/daemon_socket.hpp"
#include "progress.hpp"
#include "report/page.hpp"
#include "json/text.hpp"

namespace app {
namespace {

using nlohmann::json;

constexpr double kMebibyte = 1 << 20;

std::atomic<client::DaemonSocket const*> interrupted{nullptr};

extern "C" void cancel_move(int) {
    if (auto const* const socket = interrupted.load())
        socket->cancel();
}

std::string number(json const& from, char const* field, char const* form) {
    char text[64] = "?";
    if (auto const found = from.find(field); found != from.end() && found->is_number())
        std::snprintf(text, sizeof text, form, found->get<double>());
    return text;
}

/// Nothing, if the guest had all its time.
std::string slowed(json const& now) {
    auto const throttle = now.value("throttle", 0.0);
    return throttle > 0 ? ", slowed down by " + std::to_string(static_cast<int>(throttle * 100 + 0.5)) + " %" : "";
}

/// A line a round; on a terminal they are one. For programs an object each, on standard output.
class Progress {
  public:
    explicit Progress(Format format) : objects_{format == Format::jsonl} {}

    void show(json const& now) {
        if (objects_) {
            std::puts(json_text::line({{"schema", 1}, {"progress", now}}).c_str());
            std::fflush(stdout);
            return;
        }
        std::string line;
        if (now.contains("round"))
            line = "round " + number(now, "round", "%.0f") + ": " + number(now, "pages", "%.0f") + " pages in " +
                   number(now, "ms", "%.0f") + " ms, " + number(now, "dirty", "%.0f") + " written meanwhile" +
                   slowed(now);
        else if (now.contains("says"))
            line = now.at("state").get<std::string>() + ": " + now.at("says").get<std::string>();
        if (line.empty())
            return;
        if (terminal_)
            std::fprintf(stderr, "\r\033[K%s", line.c_str());
        else
            say(line);
        std::fflush(stderr);
    }
    ~Progress() {
        if (terminal_)
            std::fputs("\r\033[K", stderr);
    }

  private:
    bool const objects_;
    bool const terminal_ = !objects_ && isatty(STDERR_FILENO) == 1;
};

json request_of(Options const& options) {
    json request{{"schema", 1}};
    switch (options.verb) {
    case Verb::status: request["request"] = "status"; break;
    case Verb::cancel:
        request["request"] = "cancel";
        request["id"] = options.domain;
        break;
    case Verb::history: request["request"] = "history"; break;
    case Verb::report:
        request["request"] = "report";
        request["id"] = options.domain;
        break;
    case Verb::resolve:
        request["request"] = "resolve";
        request["id"] = options.domain;
        request["here"] = options.here;
        break;
    default:
        request["request"] = "move";
        request["vm"] = options.domain;
        request["host"] = options.host;
        json& wanted = request["options"] = {
            {"level", options.level}, {"wait_ms", options.wait.count()}, {"insecure", options.insecure}};
        if (options.way)
            wanted["way"] = name_of(*options.way);
        if (!options.policy.empty())
            wanted["policy"] = options.policy;
        if (options.max_downtime)
            wanted["max_downtime_ms"] = options.max_downtime->count();
        if (options.timeout)
            wanted["timeout_ms"] = options.timeout->count();
        if (options.bandwidth)
            wanted["bandwidth"] = *options.bandwidth;
        if (options.streams)
            wanted["streams"] = *options.streams;
        if (options.dry_run)
            wanted["dry_run"] = true;
    }
    return request;
}

void print_move(json const& result) {
    std::printf("%s runs on %s: %.1f MiB, %s rounds, %.2f s; it stood still for %s ms (clocks agree within %s ms)\n",
                result.value("vm", "").c_str(), result.value("destination", "").c_str(),
                result.value("bytes", 0.0) / kMebibyte, number(result, "rounds", "%.0f").c_str(),
                result.value("total_ms", 0.0) / 1e3, number(result, "blackout_ms", "%.1f").c_str(),
                number(result, "clock_error_ms", "%.2f").c_str());
}

void print_foreseen(json const& result) {
    std::printf("%s could move to %s; it writes to %s pages a second", result.value("vm", "").c_str(),
                result.value("destination", "").c_str(), number(result, "pages_written_a_second", "%.0f").c_str());
    if (auto const foreseen = result.find("forecast"); foreseen != result.end() && foreseen->is_object())
        std::printf("; foreseen: %s rounds, %.1f s, standing still for %s ms\n",
                    number(*foreseen, "rounds", "%.0f").c_str(), foreseen->value("rounds_ms", 0.0) / 1e3,
                    number(*foreseen, "blackout_ms", "%.0f").c_str());
    else
        std::puts("; how long that takes is known after a first move to that host");
}

void print_list(json const& result, char const* field) {
    for (auto const& one : result.value(field, json::array()))
        std::puts(json_text::line(one).c_str());
}

outcome::Result<json> heard_in(std::string const& path) {
    std::ifstream file{path, std::ios::binary};
    std::string const text{std::istreambuf_iterator<char>{file}, {}};
    auto heard = json_text::parse(text);
    if (!heard.is_object())
        return outcome::fail(outcome::Kind::precondition, path + " does not say what was heard of a guest",
                             "a JSON object: migrate(1), --heard");
    return heard;
}

void print(Options const& options, json const& result) {
    if (options.format != Format::text)
        std::puts(json_text::line(result).c_str());
    else if (options.verb == Verb::move && options.dry_run)
        print_foreseen(result);
    else if (options.verb == Verb::move)
        print_move(result);
    else if (options.verb == Verb::status || options.verb == Verb::history) {
        print_list(result, "migrations");
        print_list(result, "cut_off");
    } else if (options.verb == Verb::report) {
        std::fputs(report::page(result).c_str(), stdout);
    } else
        std::puts(json_text::pages(result).c_str());
}

} // namespace

int run_request(Options const& options) {
    auto const done = [&]() -> outcome::Result<json> {
        auto socket = TRY(client::DaemonSocket::open(options.socket));
        TRY(socket.ask(request_of(options)));
        if (options.verb == Verb::move) {
            interrupted.store(&socket);
            std::signal(SIGINT, cancel_move);
            std::signal(SIGTERM, cancel_move);
        }
        Progress progress{options.format};
        auto result = socket.result([&](json const& now) { progress.show(now); });
        interrupted.store(nullptr);
        return result;
    }();
    if (!done)
        return complain(done.error(), options.format);
    auto result = done.value();
    int const status = client::status_of(result);
    if (status == 0 && options.verb == Verb::report && !options.file.empty()) {
        auto heard = heard_in(options.file);
        if (!heard)
            return complain(heard.error(), options.format);
        result["heard"] = std::move(heard).value();
    }
    if (status == 0) {
        print(options, result);
        return 0;
    }
    if (options.format != Format::text)
        std::puts(json_text::line(result).c_str());
    auto const hint = result.value("hint", "");
    say(result.value("message", "it failed") + (hint.empty() ? "" : " (" + hint + ")"));
    return status;
}

} // namespace app
