/// The command line of `migrate`.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "hypervisor/suspension.hpp"

namespace app {

enum class Verb { move, save, restore, status, cancel, history, report, resolve };
enum class Format {
    text,
    json, ///< the result
    jsonl ///< progress, too, each on a line, and last the result
};

struct Options {
    Verb verb = Verb::move;
    std::string domain; ///< name, number or UUID; of a migration its id
    std::string host;
    std::string file;                           ///< to keep it in, to make it of; or what was heard of a move
    bool here = false;                          ///< a person's word: the guest is this host's
    bool checkpoint = false;                    ///< the domain runs on after it was saved
    bool stopped = false;                       ///< it stands still from the beginning: one round
    bool paused = false;                        ///< what was restored does not run yet
    std::optional<hypervisor::Way> way;         ///< none: as the domain can
    std::chrono::milliseconds wait{120'000};    ///< for a guest that is booting
    std::chrono::milliseconds patience{60'000}; ///< for a guest that suspends itself
    int level = 1;                              ///< of zstd; 0: none
    std::string policy;                         ///< empty: the daemon's
    std::optional<std::chrono::milliseconds> max_downtime, timeout;
    std::optional<std::uint64_t> bandwidth; ///< octets a second
    std::optional<unsigned> streams;        ///< data connections
    bool insecure = false;                  ///< without TLS
    bool dry_run = false;                   ///< ask and foresee, and move nothing
    std::string socket = "/run/tern/migrated.sock";
    std::string husk = "/usr/lib/tern/guests/husk";
    Format format = Format::text;
};

/// What main() returns when the words are wrong.
inline constexpr int kUsage = 2;

/// The options, or the status to end with: help was asked for and given, or the words were wrong and that was said.
struct Parsed {
    std::optional<Options> options;
    int status = 0;
};
Parsed parse_options(int count, char** words);

} // namespace app
