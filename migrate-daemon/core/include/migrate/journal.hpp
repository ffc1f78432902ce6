/// What a daemon has written down, durably, of a migration: all that it knows after it was killed.
///
/// One entry a migration on each side. An entry replaces the one before atomically and is on the disk before JournalDone is told. App
/// keeps beside it what it needs to find domain and peer again.
#pragma once

#include <cstdint>

namespace migrate {

enum class Journaled : std::uint8_t {
    nothing, ///< no entry
    // The source's.
    moving,  ///< the guest is ours, maybe suspended, maybe tracked
    commit,  ///< given away, unless the destination says that it did not take it
    aborted, ///< ours for good; the destination may still wait for commit
    // The destination's.
    building,  ///< a domain is being made that is not ours
    verified,  ///< it is complete; waits for commit
    committed, ///< ours; to be run
    resumed,   ///< ours; was run
    dropped,   ///< never ours; the source may still wait to know
};

} // namespace migrate
