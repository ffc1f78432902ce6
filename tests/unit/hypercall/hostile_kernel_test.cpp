/// The fuzz target's inputs, in the ordinary test run: every seed, and mutants of them.
#include <gtest/gtest.h>

#include "fuzz/hypercall/feed.hpp"
#include "unit/corpus.hpp"

namespace {

TEST(HostileKernels, LeaveTheBooksOfTheHypervisorInOrder) {
    test::feed_corpus(CORPUS "/hypercall", fuzz::feed_hypercall, 100);
}

} // namespace
