/// A file that is there whole, or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "outcome/failure.hpp"

namespace app {

/// Written beside its place, under another name, until commit().
class NewFile {
  public:
    /// `precondition`: it cannot be made there.
    static outcome::Result<NewFile> create(std::string path);
    NewFile(NewFile&& other) noexcept;
    NewFile& operator=(NewFile&&) = delete;
    ~NewFile(); ///< removes what was not committed

    /// `failed`, with what to do, when the disk is full.
    outcome::Result<void> write(std::span<std::byte const> octets);
    /// On the disk, and in its place.
    outcome::Result<void> commit();
    [[nodiscard]] std::string const& part() const { return part_; }

  private:
    NewFile(std::string path, std::string part, int file)
        : path_{std::move(path)}, part_{std::move(part)}, file_{file} {}
    [[nodiscard]] base::Err<outcome::Failure> broken() const;

    std::string path_, part_;
    int file_;
};

/// A file that is read from its beginning to its end.
class OldFile {
  public:
    static outcome::Result<OldFile> open(std::string path);
    OldFile(OldFile&& other) noexcept;
    OldFile& operator=(OldFile&&) = delete;
    ~OldFile();

    /// How many octets were read; 0 at the end.
    outcome::Result<std::size_t> read(std::span<std::byte> room);

  private:
    OldFile(std::string path, int file) : path_{std::move(path)}, file_{file} {}

    std::string path_;
    int file_;
};

} // namespace app
