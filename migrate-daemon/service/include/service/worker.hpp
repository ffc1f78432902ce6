/// The process of one migration: `migrated worker`, started by the daemon with a channel as descriptor 3. A crash of it is a crash of one
/// migration; what it leaves behind is told by its journal.
#pragma once

#include "service/engine.hpp"

namespace service {

inline constexpr int kChannel = 3;

/// What main() of a worker returns.
int run_worker(EngineMaker const& make_engine);

} // namespace service
