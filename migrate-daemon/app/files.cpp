#include "files.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace app {

using outcome::fail;
using outcome::fail_errno;
using outcome::Kind;
using outcome::Result;

Result<NewFile> NewFile::create(std::string path) {
    auto part = path + ".part";
    int const file = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno == EEXIST)
        return fail(Kind::precondition, part + " is there already", "if nothing writes to it any more, remove it");
    if (file < 0)
        return fail_errno(part + " cannot be made", Kind::precondition);
    return NewFile{std::move(path), std::move(part), file};
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_{std::move(other.path_)}, part_{std::move(other.part_)}, file_{std::exchange(other.file_, -1)} {}

NewFile::~NewFile() {
    if (file_ < 0)
        return;
    close(file_);
    unlink(part_.c_str());
}

Result<void> NewFile::write(std::span<std::byte const> octets) {
    while (!octets.empty()) {
        auto const written = ::write(file_, octets.data(), octets.size());
        if (written < 0 && errno != EINTR)
            return broken();
        octets = octets.subspan(written < 0 ? 0 : static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> NewFile::commit() {
    if (fsync(file_) != 0 || std::rename(part_.c_str(), path_.c_str()) != 0)
        return broken();
    close(std::exchange(file_, -1));
    // The name is on the disk as well.
    auto const folder = std::filesystem::path{path_}.parent_path();
    int const directory = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool const kept = directory >= 0 && fsync(directory) == 0;
    if (directory >= 0)
        close(directory);
    if (!kept)
        return fail_errno(path_ + " is written, and may be lost when this machine stops now");
    return {};
}

base::Err<outcome::Failure> NewFile::broken() const {
    return fail_errno(part_ + " cannot be written", Kind::failed,
                      errno == ENOSPC ? "the disk is full: df shows it" : "");
}

Result<OldFile> OldFile::open(std::string path) {
    int const file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail_errno(path + " cannot be read", Kind::precondition);
    return OldFile{std::move(path), file};
}

OldFile::OldFile(OldFile&& other) noexcept : path_{std::move(other.path_)}, file_{std::exchange(other.file_, -1)} {}

OldFile::~OldFile() {
    if (file_ >= 0)
        close(file_);
}

Result<std::size_t> OldFile::read(std::span<std::byte> room) {
    for (;;) {
        auto const got = ::read(file_, room.data(), room.size());
        if (got >= 0)
            return static_cast<std::size_t>(got);
        if (errno != EINTR)
            return fail_errno(path_ + " cannot be read");
    }
}

} // namespace app
