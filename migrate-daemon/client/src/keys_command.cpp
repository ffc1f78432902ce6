#include "client/keys_command.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <CLI/CLI.hpp>

#include "net/hello.hpp"
#include "net/host_name.hpp"
#include "net/keys.hpp"

namespace client {
namespace {

using net::Certificate;
using outcome::Result;

constexpr int kUsage = 2;
constexpr std::chrono::seconds kPatience{20};

constexpr char const* kFooter = R"(examples:
  migrate keys init                  # once on each host
  migrate keys trust beta            # on alpha: compare the fingerprint with `migrate keys show` on beta
  migrate keys trust ./beta.pem      # beta's /etc/tern/keys/certificate.pem, carried here)";

struct Words {
    std::filesystem::path folder = net::kKeysFolder;
    std::string name;
    std::string whom;
    std::uint16_t port = net::kDefaultPort;
    unsigned days = 3650;
    bool laboratory = false;
};

void show(char const* what, Certificate const& one) {
    std::printf("%s %s, until %s\n  %s\n", what, one.name.c_str(), one.expires.c_str(), one.fingerprint.c_str());
}

Result<void> init(Words const& words) {
    auto const made =
        TRY(net::make_keys(words.folder, words.name, words.laboratory ? net::KeyKind::laboratory : net::KeyKind::own,
                           std::chrono::hours{24} * words.days));
    show("this host is", made);
    return {};
}

Result<void> trust(Words const& words) {
    std::error_code error;
    std::string pem;
    if (std::filesystem::is_regular_file(words.whom, error)) {
        std::ifstream file{words.whom, std::ios::binary};
        pem.assign(std::istreambuf_iterator<char>{file}, {});
    } else {
        pem = TRY(net::ask_for_certificate(words.whom, words.port, kPatience)).pem;
    }
    show("trusted:", TRY(net::trust(words.folder, pem)));
    return {};
}

Result<void> list(Words const& words) {
    show("this host is", TRY(net::own_certificate(words.folder)));
    for (auto const& one : TRY(net::trusted_certificates(words.folder)))
        show("trusted:", one);
    return {};
}

} // namespace

int run_keys(int count, char** words) {
    Words chosen;
    chosen.name = net::host_name();
    CLI::App program{"This host's key, and the hosts that it trusts.", "migrate keys"};
    program.footer(kFooter);
    program.require_subcommand(1);
    program.add_option("--folder", chosen.folder, "where they are (" + chosen.folder.string() + ")")
        ->type_name("FOLDER");
    auto* const make = program.add_subcommand("init", "make this host's key and certificate; never replaces any");
    make->add_option("--name", chosen.name, "what the certificate says (" + chosen.name + ")");
    make->add_option("--days", chosen.days, "how long it is valid (3650)")->check(CLI::Range(1, 36'500));
    make->add_flag("--laboratory", chosen.laboratory, "the key that all laboratories have, and everybody knows");
    auto* const add =
        program.add_subcommand("trust", "let domains come from, and go to, whom this certificate belongs to");
    add->add_option("whom", chosen.whom, "a file with its certificate, or a host that is asked for it")
        ->required()
        ->type_name("FILE|HOST");
    add->add_option("--port", chosen.port, "where that host listens (" + std::to_string(chosen.port) + ")");
    program.add_subcommand("show", "this host's certificate, and the trusted ones");
    for (auto* const one : program.get_subcommands({}))
        one->fallthrough();
    try {
        program.parse(count, words);
    } catch (CLI::ParseError const& error) {
        return program.exit(error) == 0 ? 0 : kUsage;
    }
    auto const done = *make ? init(chosen) : *add ? trust(chosen) : list(chosen);
    if (done)
        return 0;
    std::fprintf(stderr, "migrate keys: %s\n", sentence(done.error()).c_str());
    return static_cast<int>(done.error().kind);
}

} // namespace client
