#include "proto/journal.hpp"

#include <gtest/gtest.h>

namespace {

using proto::JournalEntry;

JournalEntry entry() {
    return {{1, 2, 3}, migrate::Journaled::commit, "web", "uuid", 7, "beta:7000", "boot", "{\"more\": 1}"};
}

TEST(Journal, IsReadAsItWasWritten) { EXPECT_EQ(proto::read_journal(proto::write(entry())), entry()); }

TEST(Journal, IsNotReadIfItIsCutOffOrDamagedAnywhere) {
    auto octets = proto::write(entry());
    for (std::size_t size = 0; size < octets.size(); ++size)
        EXPECT_FALSE(proto::read_journal(base::Bytes{octets}.first(size))) << size;
    for (std::size_t at = 0; at < octets.size(); ++at) {
        octets[at] ^= std::byte{0x10};
        EXPECT_FALSE(proto::read_journal(octets)) << at;
        octets[at] ^= std::byte{0x10};
    }
}

TEST(Journal, KnowsWhoseAnEntryIs) {
    using migrate::Journaled;
    for (auto const state : {Journaled::moving, Journaled::commit, Journaled::aborted})
        EXPECT_TRUE(proto::is_outgoing(state));
    for (auto const state : {Journaled::nothing, Journaled::building, Journaled::verified, Journaled::committed,
                             Journaled::resumed, Journaled::dropped})
        EXPECT_FALSE(proto::is_outgoing(state));
}

} // namespace
