/// Feeds the seeds of a fuzz target to its function: as they are, cut off, and mutated. What the function is to survive
/// it survives or the test program ends (sanitizers, assertions). It answers whether it accepted its input: of the
/// seeds themselves it must accept some, or they no longer test what lies behind the first check.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace test {

using Seed = std::vector<std::byte>;

inline std::vector<Seed> read_corpus(std::filesystem::path const& folder) {
    std::set<std::filesystem::path> files; // sorted: the same order on every machine
    for (auto const& file : std::filesystem::directory_iterator{folder})
        files.insert(file.path());
    std::vector<Seed> seeds;
    for (auto const& file : files) {
        std::ifstream stream{file, std::ios::binary};
        std::vector<char> const text{std::istreambuf_iterator<char>{stream}, {}};
        auto& seed = seeds.emplace_back(text.size());
        std::transform(text.begin(), text.end(), seed.begin(), [](char c) { return static_cast<std::byte>(c); });
    }
    return seeds;
}

/// One in four is cut off, the others have a few bytes changed.
inline Seed mutated(Seed seed, std::mt19937& random) {
    if (seed.empty())
        return seed;
    if (random() % 4 == 0)
        return {seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(random() % seed.size())};
    for (unsigned change = 0; change <= random() % 4; ++change)
        seed[random() % seed.size()] = static_cast<std::byte>(random() % 3 == 0 ? 0xff : random());
    return seed;
}

template <typename Feed> void feed_corpus(std::filesystem::path const& folder, Feed&& feed, unsigned mutants = 2000) {
    auto const seeds = read_corpus(folder);
    ASSERT_FALSE(seeds.empty()) << folder;
    unsigned accepted = 0;
    for (auto const& seed : seeds)
        accepted += feed(base::Bytes{seed}) ? 1 : 0;
    EXPECT_GT(accepted, 0U) << folder;

    std::mt19937 random{1};
    for (unsigned i = 0; i < mutants; ++i) {
        auto const mutant = mutated(seeds[random() % seeds.size()], random); // an allocation with a guarded end
        feed(base::Bytes{mutant});
    }
}

} // namespace test
