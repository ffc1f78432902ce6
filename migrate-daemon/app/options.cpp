#include "options.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

namespace app {
namespace {

using std::chrono::milliseconds;

constexpr char const* kFooter = R"(examples:
  migrate --save web /var/lib/web.tern          # into a file; web ends here
  migrate --save web web.tern --checkpoint      # ... and web runs on
  migrate --restore web.tern                    # on this host, or on another

VM is a name, a number or a UUID (xl list). Results go to standard output, all else to standard error.
exit status: 0 done · 1 failed, the domain is where it was · 2 usage · 3 cannot be done here, nothing was begun ·
  5 timed out · 6 cancelled · 7 the domain's state needs somebody to look at it)";

/// "50ms", "2.5s", "1m"; a bare number is seconds.
milliseconds duration(std::string const& text) {
    std::size_t end = 0;
    double value = -1;
    try {
        value = std::stod(text, &end);
    } catch (std::exception const&) {
        end = 0;
    }
    static std::map<std::string, double, std::less<>> const kUnits{
        {"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60'000}, {"h", 3'600'000}};
    auto const unit = kUnits.find(std::string_view{text}.substr(end));
    if (end == 0 || value < 0 || value > 1e9 || unit == kUnits.end())
        throw CLI::ValidationError{"'" + text + "' is no time", "write 50ms, 2.5s or 1m"};
    return milliseconds{static_cast<milliseconds::rep>(value * unit->second)};
}

} // namespace

Parsed parse_options(int count, char** words) {
    Options chosen;
    CLI::App program{"Moves a running domain, or keeps it in a file.", "migrate"};
    std::vector<std::string> saved, names;
    std::string way = "auto", format = "text", wait = "120s", patience = "60s";
    program.footer(kFooter);
    auto* const save =
        program
            .add_option("--save", saved,
                        "keep VM in FILE, live: it runs while it is read, and ends when the file is whole")
            ->expected(2)
            ->type_name("VM FILE");
    auto* const restore =
        program.add_option("--restore", chosen.file, "make a domain of FILE")->type_name("FILE")->excludes(save);
    program.add_option("names", names, "VM and HOST: move it there")->expected(0, 2)->type_name("");
    program.add_flag("--checkpoint", chosen.checkpoint, "the domain runs on after it was saved")->needs(save);
    program.add_flag("--stopped", chosen.stopped, "stop it first, and read it once: less to write, longer to stand")
        ->needs(save);
    program.add_flag("--paused", chosen.paused, "do not let it run yet: xl unpause does")->needs(restore);
    program
        .add_option(
            "--way", way,
            "how it is stopped: it suspends itself (cooperative), is not told (transparent), or as it can (auto)")
        ->check(CLI::IsMember({"auto", "cooperative", "transparent"}));
    program.add_option("--wait", wait, "how long to wait for a guest that is booting (120s)")->type_name("TIME");
    program.add_option("--patience", patience, "how long to wait for a guest that suspends itself (60s)")
        ->type_name("TIME");
    program.add_option("--compress", chosen.level, "level of zstd; 0: none")
        ->check(CLI::Range(0, 19))
        ->type_name("LEVEL");
    program.add_option("--husk", chosen.husk, "the kernel that a domain is made with before it has its own")
        ->type_name("FILE");
    program.add_option("--format", format, "text or json")->check(CLI::IsMember({"text", "json"}));
    try {
        program.parse(count, words);
        chosen.wait = duration(wait);
        chosen.patience = duration(patience);
        if (*save) {
            chosen.verb = Verb::save;
            chosen.domain = saved[0];
            chosen.file = saved[1];
        } else if (*restore) {
            chosen.verb = Verb::restore;
        } else if (names.size() == 2) {
            chosen.domain = names[0];
            chosen.host = names[1];
        }
        if ((chosen.verb == Verb::move) != (names.size() == 2))
            throw CLI::ValidationError{"name VM and HOST, or --save VM FILE, or --restore FILE", "migrate --help"};
    } catch (CLI::ParseError const& error) {
        int const status = program.exit(error);
        return {.options = {}, .status = status == 0 ? 0 : kUsage};
    }
    if (way != "auto")
        chosen.way = way == "cooperative" ? hypervisor::Way::cooperative : hypervisor::Way::transparent;
    chosen.format = format == "json" ? Format::json : Format::text;
    return {.options = std::move(chosen), .status = 0};
}

} // namespace app
