/// The fuzz targets' inputs, in the ordinary test run: every seed, and some thousand mutants.
#include <gtest/gtest.h>

#include "fuzz/acpi/feed.hpp"
#include "fuzz/cmdline/feed.hpp"
#include "fuzz/multiboot2/feed.hpp"
#include "unit/corpus.hpp"

namespace {

TEST(ForeignBytes, AreSurvivedByTheAcpiParsers) { test::feed_corpus(CORPUS "/acpi", fuzz::feed_acpi); }
TEST(ForeignBytes, AreSurvivedByTheMultiboot2Parser) { test::feed_corpus(CORPUS "/multiboot2", fuzz::feed_multiboot2); }
TEST(ForeignBytes, AreSurvivedByTheCommandLineParser) { test::feed_corpus(CORPUS "/cmdline", fuzz::feed_command_line); }

} // namespace
