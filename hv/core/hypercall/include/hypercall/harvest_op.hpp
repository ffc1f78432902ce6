/// tern_op: tracking what a domain writes, and what was found (abi/tern.h; docs/dirty-tracking.md).
#pragma once

#include "hypercall/call.hpp"

namespace hypercall {

Answer track(Call& call);
Answer harvest(Call& call);

} // namespace hypercall
