/// The fuzz target's inputs, in the ordinary test run: every seed, and a few thousand mutants.
#include "fuzz/control/feed.hpp"

#include <gtest/gtest.h>

#include "unit/corpus.hpp"

namespace {

TEST(ForeignMessages, AreReadOrRefused) { test::feed_corpus(CORPUS "/control", fuzz::feed_control); }

} // namespace
