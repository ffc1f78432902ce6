/// The fuzz target's inputs, in the ordinary test run: every seed, and a few thousand mutants.
#include "fuzz/stream/feed.hpp"

#include <gtest/gtest.h>

#include "unit/corpus.hpp"

namespace {

TEST(ForeignStreams, AreReadOrRefused) { test::feed_corpus(CORPUS "/stream", fuzz::feed_stream); }

} // namespace
