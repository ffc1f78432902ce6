/// The kernel of a domain that waits for another's memory: Debian's toolstack builds no domain without a kernel. It never runs; if it
/// does, somebody let a shell go that nothing had moved into, and it says so by its end.
#include "lib/test.hpp"

TEST("nobody has moved in") { CHECK(false); }
