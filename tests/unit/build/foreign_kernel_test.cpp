/// The fuzz target's inputs, in the ordinary test run: every seed, every prefix of it, and some hundred mutations.
#include <gtest/gtest.h>

#include "fuzz/elf/feed.hpp"
#include "unit/corpus.hpp"

namespace {

TEST(ForeignKernels, AreBuiltConsistentlyOrRefused) { test::feed_corpus(CORPUS "/elf", fuzz::feed_elf, 300); }

} // namespace
