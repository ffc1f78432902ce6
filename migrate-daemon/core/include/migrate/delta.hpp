/// What differs between two contents of a page: runs of changed 8-octet words, as exclusive or (docs/migration-stream.md,
/// "page-batch"). Small where a guest changed counters and pointers; cheaper than any compressor.
#pragma once

#include <span>
#include <vector>

#include "migrate/page.hpp"

namespace migrate {

/// Appends length and runs that make @p before @p now. False, and nothing is appended, if the runs would take more than @p most octets.
/// REQUIRES: most <= kMostDelta. Equal pages have no runs.
bool encode_delta(PageView before, PageView now, std::size_t most, std::vector<std::byte>& out);

/// The other way: takes length and runs from the front of @p contents and changes @p page. False if they are malformed; then @p page
/// holds anything.
bool apply_delta(Bytes& contents, std::span<std::byte, base::kPageSize> page);

} // namespace migrate
