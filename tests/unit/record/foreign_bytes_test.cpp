/// The reader of domain records survives whatever it is given.
#include "fuzz/record/feed.hpp"
#include "unit/corpus.hpp"

TEST(RecordForeignBytes, AreSurvivedByTheReader) { test::feed_corpus(CORPUS "/record", fuzz::feed_record); }
