/// migrate --save: a domain into a file, while it runs.
#pragma once

#include "options.hpp"
#include "outcome/failure.hpp"

namespace app {

/// What came of it, for people and programs.
struct Saved {
    std::string name;
    std::uint64_t bytes = 0;
    unsigned rounds = 0;
    double total_ms = 0;
    double stopped_ms = 0; ///< from when it was stopped until it was in the file; of a checkpoint until it ran again
};

outcome::Result<Saved> save(Options const& options);

} // namespace app
