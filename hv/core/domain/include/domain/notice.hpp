/// Performing what an event asks for: waking whom it concerns (events/notice.hpp).
#pragma once

#include "base/result.hpp"
#include "domain/domain.hpp"
#include "events/notice.hpp"

namespace domain {

/// No lock may be held.
void deliver(events::Notice const& notice);

} // namespace domain
