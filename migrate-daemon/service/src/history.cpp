#include "service/history.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "service/results.hpp"
#include "json/text.hpp"

namespace service {

using nlohmann::json;
using outcome::fail_errno;
using outcome::Result;

Result<void> History::add(json const& result) const {
    auto const line = json_text::line(result) + '\n';
    std::error_code ignored;
    std::filesystem::create_directories(file_.parent_path(), ignored);
    int const file = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    // One write: what two processes append does not mix.
    bool const written =
        file >= 0 && write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fsync(file) == 0;
    auto failure = fail_errno(file_.string() + " cannot be written");
    if (file >= 0)
        close(file);
    return written ? Result<void>{} : Result<void>{std::move(failure)};
}

std::vector<json> History::last(std::size_t count) const {
    std::vector<json> all;
    std::ifstream file{file_};
    for (std::string line; std::getline(file, line);)
        if (auto one = json_text::parse(line); one.is_object())
            all.push_back(std::move(one));
    std::ranges::reverse(all);
    all.resize(std::min(all.size(), count));
    return all;
}

json History::find(std::string const& id) const {
    for (auto& one : last(static_cast<std::size_t>(-1)))
        if (!id.empty() && (text_in(one, "id").starts_with(id) || text_in(one, "vm") == id))
            return one;
    return {};
}

} // namespace service
