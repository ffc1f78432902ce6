/// XXH3 without vector instructions. A file of its own: the library's header is compiled for one kind of code.
#pragma once

#include "migrate/hash.hpp"

namespace migrate {

[[nodiscard]] PageHash hash_page_plain(PageView page, std::uint64_t seed);

} // namespace migrate
