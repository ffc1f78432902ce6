/// The fuzz target's inputs, in the ordinary test run: every seed, and a few thousand mutants.
#include <gtest/gtest.h>

#include "fuzz/unpack/feed.hpp"
#include "unit/corpus.hpp"

namespace {

TEST(ForeignFiles, AreUnpackedOrRefused) { test::feed_corpus(CORPUS "/unpack", fuzz::feed_unpack); }

} // namespace
