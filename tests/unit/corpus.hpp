/// Feeds the seeds of a fuzz target to its function: each as it is, cut off, and mutated. What the function is to
/// survive it survives or the test program ends (sanitizers, assertions). It answers whether it accepted its input: of
/// the seeds themselves it must accept some, or they no longer test what lies behind the first check.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace test {

inline std::vector<std::vector<std::byte>> read_corpus(std::filesystem::path const& folder) {
    std::vector<std::vector<std::byte>> seeds;
    for (auto const& file : std::filesystem::directory_iterator{folder}) {
        std::ifstream stream{file.path(), std::ios::binary};
        std::vector<char> const text{std::istreambuf_iterator<char>{stream}, {}};
        auto& seed = seeds.emplace_back(text.size());
        std::transform(text.begin(), text.end(), seed.begin(), [](char c) { return static_cast<std::byte>(c); });
    }
    return seeds;
}

template <typename Feed> void feed_corpus(std::filesystem::path const& folder, Feed&& feed, unsigned mutations = 500) {
    auto const seeds = read_corpus(folder);
    ASSERT_FALSE(seeds.empty()) << folder;
    std::mt19937 random{1};
    unsigned accepted = 0;
    for (auto const& seed : seeds) {
        accepted += feed(base::Bytes{seed}) ? 1 : 0;
        // Copies, so that the sanitizer guards their ends.
        for (std::size_t size = 0; size < std::min<std::size_t>(seed.size(), 300); ++size) {
            std::vector<std::byte> const prefix(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size));
            feed(base::Bytes{prefix});
        }
        for (unsigned i = 0; i < mutations && !seed.empty(); ++i) {
            auto mutant = seed;
            for (unsigned change = 0; change <= random() % 4; ++change)
                mutant[random() % mutant.size()] = static_cast<std::byte>(random() % 3 == 0 ? 0xff : random());
            feed(base::Bytes{mutant});
        }
    }
    EXPECT_GT(accepted, 0U) << folder;
}

} // namespace test
