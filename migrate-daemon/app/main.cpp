/// migrate: moves domains, and keeps them in files.
#include <cstdio>

#include "client/keys_command.hpp"
#include "move.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "restore.hpp"
#include "save.hpp"
#include "json/text.hpp"

namespace app {

void say(std::string_view line) {
    std::fprintf(stderr, "migrate: %.*s\n", static_cast<int>(line.size()), line.data());
    std::fflush(stderr);
}

using nlohmann::json;

namespace {

constexpr int kSchema = 1;
constexpr double kMebibyte = 1 << 20;

void print_line(json const& result) { std::puts(json_text::line(result).c_str()); }

} // namespace

int complain(outcome::Failure const& failure, Format format) {
    if (format != Format::text)
        print_line({{"schema", kSchema},
                    {"outcome", "failed"},
                    {"code", static_cast<int>(failure.kind)},
                    {"message", failure.message},
                    {"hint", failure.hint}});
    say(failure.hint.empty() ? failure.message : failure.message + " (" + failure.hint + ")");
    return static_cast<int>(failure.kind);
}

namespace {

int run_save(Options const& options) {
    auto const done = save(options);
    if (!done)
        return complain(done.error(), options.format);
    auto const& saved = done.value();
    if (options.format != Format::text)
        print_line({{"schema", kSchema},
                    {"vm", saved.name},
                    {"outcome", "saved"},
                    {"file", options.file},
                    {"bytes", saved.bytes},
                    {"rounds", saved.rounds},
                    {"total_ms", saved.total_ms},
                    {"stopped_ms", saved.stopped_ms}});
    else
        std::printf("%s is in %s: %.1f MiB, %u rounds, %.2f s; it stood still for %.1f ms%s\n", saved.name.c_str(),
                    options.file.c_str(), static_cast<double>(saved.bytes) / kMebibyte, saved.rounds,
                    saved.total_ms / 1e3, saved.stopped_ms, options.checkpoint ? ", and runs on" : "");
    return 0;
}

int run_restore(Options const& options) {
    auto const done = restore(options);
    if (!done)
        return complain(done.error(), options.format);
    auto const& restored = done.value();
    if (options.format != Format::text)
        print_line({{"schema", kSchema},
                    {"vm", restored.name},
                    {"outcome", "restored"},
                    {"domain", restored.domain},
                    {"bytes", restored.bytes},
                    {"total_ms", restored.total_ms}});
    else
        std::printf("%s is domain %u%s: %.1f MiB, %.2f s\n", restored.name.c_str(), restored.domain,
                    options.paused ? ", paused" : "", static_cast<double>(restored.bytes) / kMebibyte,
                    restored.total_ms / 1e3);
    return 0;
}

} // namespace
} // namespace app

int main(int count, char** words) {
    if (count > 1 && std::string_view{words[1]} == "keys")
        return client::run_keys(count - 1, words + 1);
    auto const parsed = app::parse_options(count, words);
    if (!parsed.options)
        return parsed.status;
    switch (parsed.options->verb) {
    case app::Verb::save: return app::run_save(*parsed.options);
    case app::Verb::restore: return app::run_restore(*parsed.options);
    default: return app::run_request(*parsed.options);
    }
}
