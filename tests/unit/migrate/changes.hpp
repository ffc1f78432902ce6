/// For tests of what has changed in a page, however it is said.
#pragma once

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "unit/migrate/streams.hpp"

namespace test {

inline migrate::Page random_page(std::mt19937& random) {
    migrate::Page page;
    std::generate(page.begin(), page.end(), [&] { return static_cast<std::byte>(random()); });
    return page;
}

/// What @p apply (apply_delta, apply_pieces) makes of @p page by all of @p octets.
template <typename Apply> migrate::Page made_by(Apply&& apply, Octets const& octets, migrate::Page page) {
    Bytes contents{octets};
    EXPECT_TRUE(apply(contents, page));
    EXPECT_TRUE(contents.empty());
    return page;
}

} // namespace test
