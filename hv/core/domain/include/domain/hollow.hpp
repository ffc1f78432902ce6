/// A domain that a toolstack has built, and that never ran, made the shell for one that comes from elsewhere (abi/tern.h): its id,
/// memory, ports, grants and back ends are ready before the newcomer is stopped, and what the builder had put into it goes.
#pragma once

#include "base/frame.hpp"
#include "base/result.hpp"
#include "domain/domain.hpp"

namespace domain {

/// Takes contexts from vCPUs, which are down afterwards, and undoes tables, from number @p cursor on: frames are plain memory.
///   busy       it is not paused
///   invalid    a vCPU of it has run
///   preempted  call again; @p cursor says where it goes on (SP-9)
[[nodiscard]] base::Status hollow_out(Domain& domain, base::Gfn& cursor);

/// Exchanges what @p one and @p other name. Who has a frame mapped keeps that frame.
///   busy       it is not paused, or a vCPU has a context, or some of its tables are without shadows: undo them first
///   not_found  one of them names nothing
[[nodiscard]] base::Status swap_frames(Domain& domain, base::Gfn one, base::Gfn other);

} // namespace domain
