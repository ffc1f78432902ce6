/// The fuzz target's inputs, in the ordinary test run: every seed, and a thousand mutants.
#include <gtest/gtest.h>

#include "fuzz/elf/feed.hpp"
#include "unit/corpus.hpp"

namespace {

TEST(ForeignKernels, AreBuiltConsistentlyOrRefused) { test::feed_corpus(CORPUS "/elf", fuzz::feed_elf, 1000); }

} // namespace
