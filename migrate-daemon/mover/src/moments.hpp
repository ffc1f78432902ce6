/// For tests of what breaks: if the environment names a program in TERN_MOMENTS, it is run at each moment of a migration at which a crash or a cut
/// makes a difference, and waited for:
///
///     PROGRAM source|destination MOMENT PROCESS
///
/// PROCESS is the worker's. Moments: `STATE-` and `STATE` are just before and just after that state is in the journal, `round` is after the first
/// round, `suspended` when the guest stands still, `complete` when the destination has all of it, `runs` when it was made to run there,
/// `recovering` when a process begins to bring to an end what another has left.
#pragma once

#include <string>
#include <string_view>

namespace mover {

void moment(bool source, std::string_view which);

} // namespace mover
