/// tern_op: when a domain ran, by this host's clocks (abi/tern.h).
#pragma once

#include "hypercall/call.hpp"

namespace hypercall {

Answer get_stamps(Call& call);

} // namespace hypercall
