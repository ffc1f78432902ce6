/// /etc/tern/migrated.toml. All keys are optional; one that is not known is refused, as it was meant to say something.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

#include "net/hello.hpp"
#include "net/keys.hpp"
#include "outcome/failure.hpp"

namespace service {

inline constexpr char const* kSettingsFile = "/etc/tern/migrated.toml";
inline constexpr char const* kSocket = "/run/tern/migrated.sock";

/// How many data connections a migration has if nobody says: on a host that has fewer CPUs than threads, more of them only make it slower, and
/// one is left for the guests' back ends.
constexpr std::uint8_t streams_for(unsigned cpus) { return static_cast<std::uint8_t>(std::clamp(cpus / 2, 1U, 4U)); }

struct Settings {
    std::string listen = "::"; ///< an address of this host
    std::uint16_t port = net::kDefaultPort;
    std::filesystem::path keys = net::kKeysFolder;
    bool insecure = false;       ///< connections without TLS are taken, and made when that is asked for
    std::uint64_t bandwidth = 0; ///< octets a second; 0: no limit
    std::uint8_t streams = streams_for(std::thread::hardware_concurrency());
    unsigned most_at_once = 4; ///< migrations, of both directions
    std::filesystem::path socket = kSocket;
    std::filesystem::path journals = "/var/lib/tern/journals";
    std::filesystem::path reports = "/var/lib/tern/reports";
    std::filesystem::path history = "/var/lib/tern/history.jsonl";
    std::string metrics_listen = "127.0.0.1"; ///< empty: no metrics
    std::uint16_t metrics_port = 9780;
};

/// `precondition`, with the line.
outcome::Result<Settings> settings_from(std::string_view toml, std::string const& file);
/// Those of a file; the defaults if it does not exist and @p must_exist is false.
outcome::Result<Settings> read_settings(std::filesystem::path const& file, bool must_exist);

/// "100MiB", "1.5G", "1000000": octets. Nothing: it is no such thing.
std::optional<std::uint64_t> octets_from(std::string_view text);

} // namespace service
