#include "console/history.hpp"

#include <algorithm>

namespace console {

void History::append(std::string_view text) {
    for (char const c : text)
        bytes_[end_++ % kSize] = c;
}

History::Read History::read(std::optional<std::uint64_t> from, std::span<char> to) const {
    auto const first = std::max(oldest(), cleared_);
    auto position = from && *from >= oldest() && *from <= end_ ? *from : first;
    std::size_t size = 0;
    while (position != end_ && size < to.size())
        to[size++] = bytes_[position++ % kSize];
    return {size, position};
}

void History::clear_to(std::uint64_t position) { cleared_ = std::min(std::max(cleared_, position), end_); }

} // namespace console
