#include "service/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "crc32.hpp"
#include "moment.hpp"
#include "json/text.hpp"

namespace service {

using net::text_of;
using nlohmann::json;
using outcome::fail;
using outcome::fail_errno;
using outcome::Kind;
using outcome::Result;

namespace {

constexpr std::string_view kExtension = ".journal";
constexpr std::size_t kDigits = 8;

std::string line_of(json const& content) {
    auto const text = json_text::line(content);
    char digits[kDigits + 1];
    std::snprintf(digits, sizeof digits, "%08x", crc32(text));
    return std::string{digits} + ' ' + text + '\n';
}

/// None: it was damaged.
std::optional<json> content_of(std::string_view line) {
    std::uint32_t sum = 0;
    if (line.size() < kDigits + 1 || line[kDigits] != ' ')
        return std::nullopt;
    auto const [end, error] = std::from_chars(line.data(), line.data() + kDigits, sum, 16);
    auto const text = line.substr(kDigits + 1);
    if (error != std::errc{} || end != line.data() + kDigits || sum != crc32(text))
        return std::nullopt;
    auto content = json_text::parse(text);
    return content.is_object() ? std::optional{std::move(content)} : std::nullopt;
}

Holder holder_from(std::string const& text) {
    return text == "here" ? Holder::here : text == "there" ? Holder::there : Holder::unknown;
}

/// A name is on the disk when its folder is.
bool keep_names(std::filesystem::path const& folder) {
    int const directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool const kept = directory >= 0 && fsync(directory) == 0;
    if (directory >= 0)
        close(directory);
    return kept;
}

} // namespace

std::string_view name_of(Holder holder) {
    return holder == Holder::here ? "here" : holder == Holder::there ? "there" : "unknown";
}
std::string_view name_of(Role role) { return role == Role::source ? "source" : "destination"; }

Holder ReadJournal::holder() const {
    if (!entries.empty())
        return entries.back().holder;
    return head.role == Role::source ? Holder::here : Holder::there;
}

Result<Journal> Journal::create(std::filesystem::path const& folder, JournalHead const& head) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    auto path = folder / (text_of(head.id) + std::string{kExtension});
    int const file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
        return fail_errno("no journal can be kept at " + path.string(), Kind::precondition);
    Journal made{std::move(path), file};
    flock(file, LOCK_EX); // who only looks whether it is in use has it for a moment
    TRY(made.write_line({{"id", text_of(head.id)},
                         {"role", name_of(head.role)},
                         {"vm", head.vm},
                         {"peer", head.peer},
                         {"insecure", head.insecure},
                         {"at", moment()}}));
    if (!keep_names(folder))
        return fail_errno("the journal at " + made.path().string() + " may be lost when this machine stops",
                          Kind::precondition);
    return made;
}

Result<Journal> Journal::reopen(std::filesystem::path const& path) { return reopen(path, LOCK_EX | LOCK_NB); }
Result<Journal> Journal::await(std::filesystem::path const& path) { return reopen(path, LOCK_EX); }

Result<Journal> Journal::reopen(std::filesystem::path const& path, int how) {
    int const file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (file < 0)
        return fail_errno(path.string() + " cannot be opened", Kind::precondition);
    Journal opened{path, file};
    if (flock(file, how) != 0)
        return fail_errno(path.string() + " is in use", Kind::precondition);
    auto const read = TRY(read_journal(path));
    if (ftruncate(file, static_cast<off_t>(read.whole)) != 0)
        return fail_errno(path.string() + " cannot be mended", Kind::precondition);
    return opened;
}

Journal::Journal(Journal&& other) noexcept
    : path_{std::move(other.path_)}, file_{std::exchange(other.file_, -1)}, broken_{other.broken_} {}

Journal::~Journal() {
    if (file_ >= 0)
        close(file_);
}

Result<void> Journal::append(JournalEntry const& entry) {
    json line{{"state", entry.state}, {"holder", name_of(entry.holder)}, {"at", moment()}};
    if (entry.final)
        line["final"] = true;
    if (!entry.detail.is_null())
        line["detail"] = entry.detail;
    return write_line(line);
}

Result<void> Journal::write_line(json const& content) {
    if (broken_)
        return fail(Kind::failed, path_.string() + " could not be written before, and is not trusted any more");
    auto const line = line_of(content);
    auto const written = write(file_, line.data(), line.size());
    if (written == static_cast<ssize_t>(line.size()) && fdatasync(file_) == 0)
        return {};
    broken_ = true;
    if (written >= 0)
        errno = written < static_cast<ssize_t>(line.size()) ? ENOSPC : errno;
    return fail_errno(path_.string() + " cannot be written");
}

Result<ReadJournal> read_journal(std::filesystem::path const& path) {
    std::ifstream file{path, std::ios::binary};
    std::string const text{std::istreambuf_iterator<char>{file}, {}};
    ReadJournal read;
    read.path = path;
    bool has_head = false;
    for (std::size_t at = 0; at < text.size();) {
        auto const end = text.find('\n', at);
        auto const content =
            end == std::string::npos ? std::nullopt : content_of(std::string_view{text}.substr(at, end - at));
        if (!content)
            break;
        if (has_head) {
            read.entries.push_back({.state = content->value("state", ""),
                                    .holder = holder_from(content->value("holder", "")),
                                    .final = content->value("final", false),
                                    .detail = content->value("detail", json{})});
        } else {
            auto const id = net::id_from(content->value("id", ""));
            if (!id)
                break;
            read.head = {.id = *id,
                         .role = content->value("role", "") == "source" ? Role::source : Role::destination,
                         .vm = content->value("vm", ""),
                         .peer = content->value("peer", ""),
                         .insecure = content->value("insecure", false)};
            has_head = true;
        }
        at = read.whole = end + 1;
    }
    if (!has_head)
        return fail(Kind::precondition, path.string() + " is no journal, or was cut off in its first line");
    int const lock = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    read.in_use = lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) != 0;
    if (lock >= 0)
        close(lock);
    return read;
}

JournalFolder read_journals(std::filesystem::path const& folder) {
    JournalFolder found;
    std::vector<std::filesystem::path> paths;
    std::error_code error;
    for (std::filesystem::directory_iterator at{folder, error}, end; !error && at != end; at.increment(error))
        if (at->path().extension() == kExtension)
            paths.push_back(at->path());
    std::ranges::sort(paths);
    for (auto const& path : paths) {
        auto read = read_journal(path);
        if (read)
            found.journals.push_back(std::move(read).value());
        else
            found.unreadable.push_back(read.error().message);
    }
    return found;
}

} // namespace service
