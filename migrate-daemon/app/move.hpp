/// migrate VM HOST, --status, --cancel, --history, --report: what the daemon of this host is asked.
#pragma once

#include "options.hpp"

namespace app {

/// The exit status; everything is said.
int run_request(Options const& options);

} // namespace app
