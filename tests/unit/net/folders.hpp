/// A folder for a test: empty, and gone afterwards.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace tests {

class Folder {
  public:
    Folder() {
        std::string name = std::filesystem::temp_directory_path() / "tern-test-XXXXXX";
        path_ = mkdtemp(name.data());
    }
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

} // namespace tests
