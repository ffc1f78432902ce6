/// An entry of a daemon's journal as octets, with a check: what a killed daemon finds again. How it gets durably to the disk (a new file,
/// fsync, rename, fsync of the folder) is the daemon's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "migrate/journal.hpp"
#include "migrate/records.hpp"

namespace proto {

struct JournalEntry {
    migrate::MigrationId id{};
    migrate::Journaled state = migrate::Journaled::nothing;
    std::string vm;
    std::string uuid;
    std::uint32_t domid = 0;
    std::string peer; ///< how to find it again
    std::string
        boot; ///< which start of this host the domain belongs to (the kernel's boot_id): whether it can still be here
    std::string extra; ///< the daemon's own

    bool operator==(JournalEntry const&) const = default;
};

/// True if the state is one of a source's entries.
[[nodiscard]] constexpr bool is_outgoing(migrate::Journaled state) {
    return state >= migrate::Journaled::moving && state <= migrate::Journaled::aborted;
}

[[nodiscard]] std::vector<std::byte> write(JournalEntry const& entry);
/// Nothing if these are not the octets of an entry, or damaged ones.
[[nodiscard]] std::optional<JournalEntry> read_journal(base::Bytes octets);

} // namespace proto
