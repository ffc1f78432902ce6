/// Which migrations there were: a line of JSON each, in the order in which they ended, in one file that is only appended to.
#pragma once

#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>

#include "outcome/failure.hpp"

namespace service {

class History {
  public:
    explicit History(std::filesystem::path file) : file_{std::move(file)} {}

    /// May be called by several processes at once.
    outcome::Result<void> add(nlohmann::json const& result) const;
    /// The last @p count, the newest first; lines that are damaged are left out.
    [[nodiscard]] std::vector<nlohmann::json> last(std::size_t count) const;
    /// The newest whose id begins with @p id, or whose VM has that name; null if there is none.
    [[nodiscard]] nlohmann::json find(std::string const& id) const;

  private:
    std::filesystem::path file_;
};

} // namespace service
