/// migrate --restore: a domain out of a file.
#pragma once

#include "options.hpp"
#include "outcome/failure.hpp"

namespace app {

struct Restored {
    std::string name;
    std::uint32_t domain = 0;
    std::uint64_t bytes = 0;
    double total_ms = 0;
};

/// Nothing is left of a domain that cannot be restored.
outcome::Result<Restored> restore(Options const& options);

} // namespace app
