/// One message of each kind.
#pragma once

#include <vector>

#include "proto/control.hpp"

namespace test {

inline std::vector<migrate::Message> all_messages() {
    using namespace migrate;
    MigrationId const id{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xff};
    return {Hello{1, 7, id, true, "alpha", "Tern"},
            Welcome{2, "beta", "Tern"},
            Prepare{"web", "uuid", 65536, 2, 4, 0x0123'4567'89ab'cdef, "cpu\xff", "{}"},
            Ready{"token", 7000},
            RoundReport{3, 1000, 50, 12345},
            Suspended{1},
            Verified{},
            Commit{},
            Committed{},
            Resumed{2, {{"whole", 3}, {"runs", 4}}},
            Settled{{{"connected", 5}}},
            Dropped{Reason::memory, "no memory"},
            Abort{Reason::user, "cancelled"},
            Released{},
            Status{Journaled::verified},
            ClockProbe{11},
            ClockReply{11, 12},
            CatchUp{1 << 20},
            CaughtUp{1 << 20}};
}

} // namespace test
