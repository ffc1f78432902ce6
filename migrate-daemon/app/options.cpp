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
  migrate web beta                              # web runs on at beta
  migrate web beta --dry-run                    # could it? how long would it stand still?
  migrate keys init; migrate keys trust beta    # once on each host
  migrate --save web /var/lib/web.tern          # into a file; web ends here
  migrate --save web web.tern --checkpoint      # ... and web runs on
  migrate --restore web.tern                    # on this host, or on another

VM is a name, a number or a UUID (xl list). Results go to standard output, all else to standard error.
exit status: 0 done · 1 failed, the domain is where it was · 2 usage · 3 cannot be done here, nothing was begun ·
  4 no connection, or no trust · 5 timed out · 6 cancelled · 7 the domain's state needs somebody to look at it)";

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

/// "100MiB", "1.5G", "1000000".
std::uint64_t size(std::string const& text) {
    std::size_t end = 0;
    double value = -1;
    try {
        value = std::stod(text, &end);
    } catch (std::exception const&) {
        end = 0;
    }
    static std::map<std::string, double, std::less<>> const kUnits{
        {"", 1}, {"K", 1 << 10}, {"KiB", 1 << 10}, {"M", 1 << 20}, {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30}};
    auto const unit = kUnits.find(std::string_view{text}.substr(end));
    if (end == 0 || value <= 0 || unit == kUnits.end())
        throw CLI::ValidationError{"'" + text + "' is no size", "write 100MiB or 1G"};
    return static_cast<std::uint64_t>(value * unit->second);
}

/// The policy, told what to do in the end; only ours can be told.
std::string with_end(std::string const& policy, std::string_view on_timeout) {
    constexpr std::string_view kOurs = "tern";
    bool const bare = policy.empty() || policy == kOurs;
    if (!bare && !policy.starts_with(std::string{kOurs} + ":"))
        throw CLI::ValidationError{"--on-timeout is for the policy tern", "policies of others have their own ends"};
    std::string const end = on_timeout == "force"    ? "throttle=no,last=force"
                            : on_timeout == "cancel" ? "throttle=no,last=cancel"
                                                     : "throttle=yes,last=cancel";
    return (bare ? std::string{kOurs} + ":" : policy + ",") + end;
}

} // namespace

Parsed parse_options(int count, char** words) {
    Options chosen;
    CLI::App program{"Moves a running domain, or keeps it in a file.", "migrate"};
    std::vector<std::string> saved, names, resolved;
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
    program.add_option("--policy", chosen.policy, "when to stop: tern, xen or clark, each with :KEY=VALUE,...")
        ->type_name("NAME");
    std::string downtime, timeout, bandwidth, cancelled, reported, on_timeout;
    program.add_option("--max-downtime", downtime, "what the guest may stand still for")->type_name("TIME");
    program.add_option("--timeout", timeout, "how long it may take before it is cancelled")->type_name("TIME");
    program
        .add_option(
            "--on-timeout", on_timeout,
            "what then, or when rounds do not help: cancel; force, stop it and send what is left; or throttle, slow it "
            "down first, then cancel (default)")
        ->check(CLI::IsMember({"cancel", "force", "throttle"}));
    program.add_option("--bandwidth", bandwidth, "octets a second at most: 100MiB")->type_name("SIZE");
    program.add_option("--streams", chosen.streams, "data connections, 1 to 16, a thread each on both hosts")
        ->check(CLI::Range(1, 16))
        ->type_name("NUMBER");
    program.add_flag("--dry-run", chosen.dry_run,
                     "move nothing: try whether HOST can take VM, and say what to expect of it");
    program.add_flag("--insecure", chosen.insecure, "without TLS: for laboratories");
    program.add_option("--socket", chosen.socket, "the daemon's")->type_name("FILE");
    bool asked = false;
    auto* const under_way = program.add_flag("--status", asked, "what is under way");
    auto* const history = program.add_flag("--history", asked, "what was");
    auto* const cancel = program.add_option("--cancel", cancelled, "stop moving: it stays")->type_name("VM|ID");
    auto* const report =
        program.add_option("--report", reported, "all that is known of a move: a page of HTML, or --format json")
            ->type_name("ID");
    program
        .add_option("--heard", chosen.file,
                    "what somebody outside heard of the guest meanwhile, as JSON; the report has it, too")
        ->type_name("FILE")
        ->needs(report);
    auto* const resolve =
        program
            .add_option("--resolve", resolved,
                        "a person's word on a move that cannot know: the guest is this host's (here), "
                        "or the other's (there)")
            ->expected(2)
            ->type_name("ID here|there");
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
    program.add_option("--format", format, "text, json, or jsonl: progress too, an object a line, the result last")
        ->check(CLI::IsMember({"text", "json", "jsonl"}));
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
        } else if (*under_way) {
            chosen.verb = Verb::status;
        } else if (*history) {
            chosen.verb = Verb::history;
        } else if (*cancel) {
            chosen.verb = Verb::cancel;
            chosen.domain = cancelled;
        } else if (*report) {
            chosen.verb = Verb::report;
            chosen.domain = reported;
        } else if (*resolve) {
            chosen.verb = Verb::resolve;
            chosen.domain = resolved[0];
            chosen.here = resolved[1] == "here";
            if (!chosen.here && resolved[1] != "there")
                throw CLI::ValidationError{"whose is the guest: here or there?", "migrate --status, on both hosts"};
        } else if (names.size() == 2) {
            chosen.domain = names[0];
            chosen.host = names[1];
        }
        if (!downtime.empty())
            chosen.max_downtime = duration(downtime);
        if (!on_timeout.empty())
            chosen.policy = with_end(chosen.policy, on_timeout);
        if (!timeout.empty())
            chosen.timeout = duration(timeout);
        if (!bandwidth.empty())
            chosen.bandwidth = size(bandwidth);
        if (chosen.dry_run && chosen.verb != Verb::move)
            throw CLI::ValidationError{"--dry-run is for moving", "migrate --dry-run VM HOST"};
        if ((chosen.verb == Verb::move) != (names.size() == 2))
            throw CLI::ValidationError{"name VM and HOST, or --save VM FILE, or --restore FILE", "migrate --help"};
    } catch (CLI::ParseError const& error) {
        int const status = program.exit(error);
        return {.options = {}, .status = status == 0 ? 0 : kUsage};
    }
    if (way != "auto")
        chosen.way = way == "cooperative" ? hypervisor::Way::cooperative : hypervisor::Way::transparent;
    chosen.format = format == "json" ? Format::json : format == "jsonl" ? Format::jsonl : Format::text;
    return {.options = std::move(chosen), .status = 0};
}

} // namespace app
