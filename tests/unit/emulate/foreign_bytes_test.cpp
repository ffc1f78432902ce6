/// The fuzz target's inputs, in the ordinary test run: every seed, every prefix of it, and some thousand mutations.
#include <gtest/gtest.h>

#include "fuzz/decoder/feed.hpp"
#include "unit/corpus.hpp"

namespace {

TEST(ForeignBytes, AreSurvivedByTheDecoderAndTheEmulators) { test::feed_corpus(CORPUS "/decoder", fuzz::feed_decoder); }

} // namespace
