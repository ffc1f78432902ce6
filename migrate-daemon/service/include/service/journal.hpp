/// What a migration did, on the disk before it is done: one file a migration and host, only appended to.
///
///     5d1c0a7e {"id":"…","role":"source","vm":"web","peer":"beta","at":"…"}
///     90b2f1c4 {"state":"precopy","holder":"here","at":"…"}
///     …
///     1f3b22aa {"state":"moved","holder":"there","final":true,"at":"…"}
///
/// A line is a CRC-32 (of what follows the blank) and an object. A line that was cut off by a crash does not count; nothing that depended on
/// it was done, as append() had not returned.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "net/hello.hpp"
#include "outcome/failure.hpp"

namespace service {

/// Who may run the domain, as far as this host knows: what is to be told to an operator when all else is lost.
enum class Holder { here, there, unknown };
std::string_view name_of(Holder holder);

enum class Role { source, destination };
std::string_view name_of(Role role);

struct JournalHead {
    net::Id id{};
    Role role = Role::source;
    std::string vm; ///< empty at a destination that has not been told yet
    std::string peer;
    bool insecure = false; ///< it went without TLS
};

struct JournalEntry {
    std::string state; ///< the protocol's word for it
    Holder holder = Holder::here;
    bool final = false;    ///< nothing is left to do
    nlohmann::json detail; ///< the engine's own
};

class Journal {
  public:
    /// `precondition`: it cannot be made there, or exists.
    static outcome::Result<Journal> create(std::filesystem::path const& folder, JournalHead const& head);
    /// To go on with one that was cut off; what was cut off of its last line is removed. `precondition`: somebody else has it open.
    static outcome::Result<Journal> reopen(std::filesystem::path const& path);
    /// The same, as soon as nobody has it open. Blocks.
    static outcome::Result<Journal> await(std::filesystem::path const& path);
    Journal(Journal&& other) noexcept;
    Journal& operator=(Journal&&) = delete;
    ~Journal();

    /// On the disk when it returns. After a failure nothing more is written: what the entry stands for must not be done.
    outcome::Result<void> append(JournalEntry const& entry);
    [[nodiscard]] std::filesystem::path const& path() const { return path_; }

  private:
    Journal(std::filesystem::path path, int file) : path_{std::move(path)}, file_{file} {}
    static outcome::Result<Journal> reopen(std::filesystem::path const& path, int how);
    outcome::Result<void> write_line(nlohmann::json const& line);

    std::filesystem::path path_;
    int file_;
    bool broken_ = false;
};

struct ReadJournal {
    std::filesystem::path path;
    JournalHead head;
    std::vector<JournalEntry> entries;
    std::size_t whole = 0; ///< octets of lines that are whole
    bool in_use = false;   ///< a process has it open
    [[nodiscard]] bool finished() const { return !entries.empty() && entries.back().final; }
    /// Before the first entry nothing was done.
    [[nodiscard]] Holder holder() const;
};

/// `precondition`: there is none, or its head is not whole. A damaged line ends it: what follows is not believed.
outcome::Result<ReadJournal> read_journal(std::filesystem::path const& path);
/// All in a folder. Those that cannot be read are told in `unreadable`.
struct JournalFolder {
    std::vector<ReadJournal> journals;
    std::vector<std::string> unreadable;
};
JournalFolder read_journals(std::filesystem::path const& folder);

} // namespace service
