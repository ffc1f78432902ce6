/// The destination's side.
#pragma once

#include <string>

#include "service/engine.hpp"

namespace mover {

outcome::Result<service::Summary> move_in(std::string const& husk, service::Workbench& bench);

} // namespace mover
