/// The source's side.
#pragma once

#include "service/engine.hpp"

namespace mover {

outcome::Result<service::Summary> move_out(service::MoveRequest const& request, service::Workbench& bench);

} // namespace mover
